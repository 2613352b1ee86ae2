"""A flow that asks for approval like the real ones, with an engine that reads no host: for tests of the gate itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State

from flows import running
from remediations.engine import Ask, Engine, Gate, Observe, Report
from remediations.engine.asking import Asking
from remediations.engine.render import plan_markdown
from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan, Satisfied, Step, Target
from remediations.model.site import Notify
from remediations.model.tier import Proof, Reversal, Tier
from remediations.settings import load_site, packaged

TOLD = (Notify(block="custom-webhook/gated"),)
"""Who is told; it notifies nobody as long as no test has made such a block."""

ACCOUNT = str(UUID(int=7))
SPN = "Microsoft Virtual System Migration Service/hv02.contoso.com"
HOSTILE = '<img src="http://203.0.113.9/x"> ![x](http://203.0.113.9/y)'


def plan(tier: Tier = Tier.DIRECTORY, title: str = "Register the migration service's SPNs: HV02", host: str = "HV02") -> Plan:
    """A plan of one step; `host` makes its digest another."""
    add = command("Set-ADComputer", Identity=ACCOUNT, ServicePrincipalNames={"Add": SPN}, Server="dc1.contoso.com")
    remove = command("Set-ADComputer", Identity=ACCOUNT, ServicePrincipalNames={"Remove": SPN}, Server="dc1.contoso.com")
    step = Step(
        target=Target(kind="computer account", name="HV02$", id=ACCOUNT),
        host="DC1",
        command=add,
        why="HV02 cannot be asked for by the migration service's name",
        changes=(Change(fact=f"ComputerAccount:{ACCOUNT}", field="spns", members=True, before=[], after=[SPN]),),
        undo=remove,
    )
    return Plan(
        remediation="register-spns",
        request={"host": host},
        title=title,
        tier=tier,
        reversal=Reversal.EXACT,
        proof=Proof.STATE,
        items=(step, Satisfied(why="the short name is registered on HV02")),
    )


def retry() -> Plan:
    """Part two of the question."""
    return plan(Tier.WORKLOAD, "Move a virtual machine: VM42, HV02").model_copy(update={"remediation": "move-vm"})


def ask(expires_at: datetime, *, mend: Plan | None = None, part_two: bool = True, why: str = "spn_missing: proven") -> Ask:
    """A question, as the engine puts it."""
    mend = mend or plan()
    return Ask(
        run="run",
        key=f"approve-{mend.digest[:12]}-1",
        plan=mend,
        retry=retry() if part_two else None,
        expires_at=expires_at,
        why=why,
        page=plan_markdown(mend),
    )


class AskingEngine:
    """Reads nothing, asks once, and notes what it was told in a file named for the run."""

    def __init__(self, observe: Observe) -> None:
        self.observe = observe
        self.site = load_site(packaged("site.yaml")).model_copy(update={"notify": TOLD})

    def remediate(self, run: str, expires_at: datetime, host: str, gate: Gate) -> Report:
        notes = Path(os.environ["GATED_NOTES"]) / run
        self.observe("read HV01 {HV02}", lambda: notes.with_suffix(".begun").open("a").write("begun\n"))
        answer = gate(ask(expires_at, mend=plan(host=host), why=f"- the event said {HOSTILE}"))
        self.observe("note the answer", lambda: notes.write_text(json.dumps(answer.model_dump(mode="json", exclude={"code"}))))
        approved = answer.decision == "approve"
        outcome = (
            Outcome(ending=Ending.MENDED, summary="Mended.")
            if approved
            else Outcome(ending=Ending.REFUSED, reason=Reason.NOT_APPROVED, summary=f"{answer.approver} rejected it.")
        )
        return Report(run=run, incident_id="INC-7F3K2A", title="VM42", outcome=outcome, markdown=f"# Report\n\n{HOSTILE}\n")


@contextmanager
def asking_engine(observe: Observe) -> Iterator[Any]:
    """In the place of `flows.runtime.engine`."""
    yield AskingEngine(observe)


@flow(name="gated", persist_result=False)
def gated(expires_at: datetime, host: str) -> State[Any]:
    """Ask for approval.

    Args:
        expires_at: Until when.
        host: What for.
    """
    running.engine = asking_engine
    return running.conclude(lambda engine, run, gate: engine.remediate(run, expires_at, host, gate))


class LedgerEngine:
    """Reads nothing, asks as the engine asks, by the ledger and the policy of this machine, and notes who approved."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def remediate(self, run: str, host: str, vm: str | None, gate: Gate) -> Report:
        ledger, notes = self.engine.ledger, Path(os.environ["GATED_NOTES"]) / run
        asked = plan(Tier.IRREVERSIBLE, host=host)
        incident = None if vm is None else ledger.open_incident(Incident(vm=vm, source="HV03"), run).id
        ledger.start_run(run, kind="proven", incident_id=incident, requested_by="alerting")
        asking = Asking(run, self.engine.judging, gate, self.engine.head, self.engine.step_of)
        try:
            outcome = asking.approved(asked, None, number=1, why="")
        except Refused as refused:
            outcome = Outcome(ending=Ending.REFUSED, reason=refused.reason, summary=refused.detail)
        if outcome is None:
            sealed = ledger.sealed(run, round=1, part="repair")
            decision = ledger.decision(sealed) if sealed is not None else None
            notes.write_text(decision.model_dump_json() if decision is not None else "")
            outcome = Outcome(ending=Ending.MENDED, summary="Approved.")
        ledger.finish_run(run, outcome)
        return Report(run=run, incident_id=None, title=asked.title, outcome=outcome, markdown="# Report\n")


@flow(name="proven", persist_result=False)
def proven(host: str, vm: str | None = None) -> State[Any]:
    """Ask for an approval that proves who approved.

    Args:
        host: What for.
        vm: The virtual machine whose incident the run owns, if it owns one.
    """
    return running.conclude(lambda engine, run, gate: LedgerEngine(engine).remediate(run, host, vm, gate))


@flow(name="lasting", persist_result=False)
def lasting(seconds: float) -> State[Any]:
    """Work for a while, as a run that the ledger knows.

    Args:
        seconds: For how long.
    """

    def work(engine: Engine, run: str, _gate: Gate) -> Report:
        engine.ledger.start_run(run, kind="lasting", incident_id=None, requested_by="alerting")
        engine.observe("work", lambda: time.sleep(seconds))
        outcome = Outcome(ending=Ending.MENDED, summary="It has lasted.")
        engine.ledger.finish_run(run, outcome)
        return Report(run=run, incident_id=None, title="lasting", outcome=outcome, markdown="# Report\n")

    return running.conclude(work)
