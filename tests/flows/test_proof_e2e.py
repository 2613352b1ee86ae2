"""Approval that proves who approved, against a real Prefect: a forged answer, a code by the form, a second person elsewhere."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import gated
import httpx
import pyotp
import pytest
from prefect.states import Scheduled
from proving import asked, enrolled
from served_prefect import Served, eventually

from flows.deployments import POOL, deploy
from remediations.model.tier import Tier

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(420)]

DIGEST = gated.plan(Tier.IRREVERSIBLE, host="HV02").digest[:8]


def form_of(served: Served, run: UUID) -> tuple[dict[str, str], str]:
    """The names of the rows of the form that a suspended run shows, and what stands above it."""
    with served.client() as client:
        state = client.read_flow_run(run).state
        assert state is not None
        keys = state.state_details.run_input_keyset
        assert keys is not None
        return keys, client.read_flow_run_input(run, keys["description"])


def test_two_people_prove_who_they_are(served: Served) -> None:
    anna, bert = enrolled(served, "Anna Berg"), enrolled(served, "Bert Clay")
    with served.client() as client:
        deployment = deploy(client, gated.proven, pool=POOL)
        run = client.create_flow_run_from_deployment(deployment, parameters={"host": "HV02"}).id
    question = asked(served, run)
    assert {"code", "digest", "target"} <= set(question.fields)
    right = {"decision": "approve", "digest": DIGEST, "target": question.typed, "comment": ""}

    # Whoever may write to Prefect's API writes an answer and lets the run go on: it is asked again, and says why.
    keys, _ = form_of(served, run)
    forged = json.dumps({**right, "approver": "Anna Berg", "code": "000000"})
    body = {"key": keys["response"], "value": forged}
    httpx.post(f"{served.api}/flow_runs/{run}/input", json=body, timeout=60).raise_for_status()
    with served.client() as client:
        client.set_flow_run_state(run, Scheduled(), force=True)

    def again() -> str | None:
        with served.client() as client:
            state = client.read_flow_run(run).state
        if state is None or state.name != "Suspended":
            return None
        fresh, above = form_of(served, run)
        return above if fresh != keys else None

    above = eventually(again, 150, f"{run} to ask again", lambda: served.told(run))
    assert "The last answer did not count" in above

    # Anna answers by the form; the code is of when she did, not of when the run reads it.
    code = anna.at(datetime.now(UTC))
    given = {**right, "approver": "Anna Berg", "code": code}
    resumed = httpx.post(f"{served.api}/flow_runs/{run}/resume", json={"run_input": given}, timeout=60)
    assert resumed.json()["status"] == "ACCEPT"
    asked(served, run, "Anna Berg")
    waiting = json.loads(served.cli("approvals", "--json").stdout)
    assert [each["approved_by"] for each in waiting if each["run"] == str(run)] == [["Anna Berg"]]

    # The same code, and then Anna once more: neither is a second person.
    url = f"{served.receiver.removesuffix('/alerts')}/approvals/{DIGEST}"
    said = {"approver": "Anna Berg", "decision": "approve", "code": code, "target": question.typed}
    replayed = httpx.post(url, json=said, timeout=60)
    assert (replayed.status_code, replayed.json()["reason"]) == (409, "ApprovalInvalid"), replayed.text
    later = anna.at(datetime.now(UTC) + timedelta(seconds=30))
    twice = served.cli("approve", DIGEST, "--as", "Anna Berg", "--code", later, "--target", question.typed)
    assert twice.returncode == 4
    assert "second person" in " ".join(twice.stderr.split())

    said |= {"approver": "Bert Clay", "code": bert.at(datetime.now(UTC))}
    heard = httpx.post(url, json=said, timeout=60)
    assert (heard.status_code, heard.json()["missing"]) == (200, 0), heard.text
    done = served.until(run, "Completed", "Failed")
    assert done.state is not None
    assert done.state.message == "mended: Approved."
    told = json.loads((served.notes / str(run)).read_text())
    assert [(each["approver"], each["proof"]) for each in told["approvals"]] == [("Anna Berg", "code"), ("Bert Clay", "code")]

    none_is_in_the_state(served, anna, bert)


def test_the_first_by_the_receiver_wakes_the_run_which_asks_the_second_by_its_form(served: Served) -> None:
    carla, dora = enrolled(served, "Carla Dahl"), enrolled(served, "Dora Eik")
    digest = gated.plan(Tier.IRREVERSIBLE, host="HV03").digest[:8]
    with served.client() as client:
        deployment = deploy(client, gated.proven, pool=POOL)
        run = client.create_flow_run_from_deployment(deployment, parameters={"host": "HV03"}).id
    question = asked(served, run)
    said = {"approver": "Carla Dahl", "decision": "approve", "target": question.typed, "code": carla.at(datetime.now(UTC))}
    url = f"{served.receiver.removesuffix('/alerts')}/approvals/{digest}"
    heard = httpx.post(url, json=said, timeout=60)
    assert (heard.status_code, heard.json()["missing"]) == (200, 1), heard.text
    # Once a minute the sweep looks for what the ledger has too; if it is quicker, the run does not wait any more.
    assert heard.json()["woken"] == "its run goes on"

    # Being woken is no answer of hers: the form names her, and nothing was refused.
    asked(served, run, "Carla Dahl")
    _, above = form_of(served, run)
    assert "Carla Dahl has approved it; a second person has to" in above
    assert "did not count" not in above

    given = {**said, "approver": "Dora Eik", "code": dora.at(datetime.now(UTC)), "digest": digest, "comment": ""}
    resumed = httpx.post(f"{served.api}/flow_runs/{run}/resume", json={"run_input": given}, timeout=60)
    assert resumed.json()["status"] == "ACCEPT"
    done = served.until(run, "Completed", "Failed")
    assert done.state is not None
    assert done.state.message == "mended: Approved."
    told = json.loads((served.notes / str(run)).read_text())
    assert [each["approver"] for each in told["approvals"]] == ["Carla Dahl", "Dora Eik"]


def none_is_in_the_state(served: Served, *authenticators: pyotp.TOTP) -> None:
    """No file of the state holds a secret of theirs."""
    secrets = [each.secret.encode() for each in authenticators]
    looked_at = 0
    for path in served.state.rglob("*"):
        with suppress(OSError):  # a database's journal comes and goes
            content = path.read_bytes()
            looked_at += 1
            assert not [secret for secret in secrets if secret in content], path
    assert looked_at > 5
