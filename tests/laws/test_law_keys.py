"""Private keys travel from one host to another in memory, once approved, and leave no trace but their thumbprints."""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from breaking import Died, Life, Meddling, mortal
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from law_approvers import Approvers, Two
from law_bench import Bench, incident_of, never
from pydantic import ValidationError

from remediations.engine import Answer, Ask, Engine
from remediations.engine.work import Applied
from remediations.facts.shielding import Certificates
from remediations.lab.lab import Failure, Lab
from remediations.ledger import Sealed
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.contract import Secret
from remediations.model.diagnosis import Evidence, Hypothesis
from remediations.model.fact import changes
from remediations.model.outcome import Ending, Refused
from remediations.model.plan import Carried, Plan, Step, Target
from remediations.model.policy import Gate, Gates, Policy
from remediations.model.site import Authentication
from remediations.model.tier import Tier
from remediations.remoting import CommandFailed, EndpointRefused, Remoting
from remediations.settings import resolve

KEYS = "vtpm_key_protector"
SHOWN = Policy(windows={}, gates=Gates(tiers={Tier.IRREVERSIBLE: Gate.PROPOSE}))
EVIDENCE = Evidence(hypotheses=(Hypothesis(cause=Cause.VTPM_KEY_PROTECTOR, score=0.95, evidence=("event 21502",)),))


def proposed(bench: Bench, failure: Failure, engine: Engine | None = None) -> Plan:
    """The plan that the main runbook shows for it."""
    incident = incident_of(failure)
    report = (engine or bench.engine(SHOWN)).remediate("dry", incident, dry_run=True, gate=never, requested_by="anna")
    assert report.plan is not None, report.markdown
    return report.plan


def sealed(bench: Bench, plan: Plan, run: str = "run-1") -> Sealed:
    """The plan in the ledger, as its approvers had it."""
    bench.ledger.start_run(run, kind="remediate", incident_id=None, requested_by="anna")
    there = bench.ledger.seal(run, round=1, part="repair", plan=plan, expires_at=bench.clock() + timedelta(hours=1))
    for approver in ("berta", "carl"):
        with suppress(Refused):
            bench.ledger.decide(there, decision="approve", approver=approver, comment="", proof="terminal")
    bench.ledger.use_approval(there)
    return there


def carried_out(engine: Engine, there: Sealed, run: str = "run-1") -> Applied:
    """What becomes of it once it is approved."""
    return engine.applier(EVIDENCE).apply(run, there)


def keys_of(bench: Bench) -> list[str]:
    """The private keys, as they travel."""
    return [each.pfx for each in bench.lab.world.host("HV01").shielded.values()]


def assert_untold(bench: Bench, *texts: str) -> None:
    """No piece of a key is in any of these, nor in any file of this run."""
    files = [path for path in bench.path.rglob("*") if path.is_file()]
    assert files
    told = [*texts, *(path.read_bytes().decode("latin-1") for path in files)]
    for key in keys_of(bench):
        assert len(key) > 400
        assert not [text for text in told if key[80:120] in text or key in text]


def test_both_certificates_arrive_and_the_machine_moves(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure = bench.lab.fail(KEYS)
    broken = bench.lab.world.state_hash()
    plan = proposed(bench, failure)
    assert bench.lab.world.state_hash() == broken
    assert bench.changes() == [], "nothing is handed out for a dry run"

    there = sealed(bench, plan)
    applied = carried_out(bench.engine(), there)
    assert applied.ok, applied.detail
    sent = [(host, name, parameters["Thumbprint"]) for host, name, parameters in bench.changes()]
    assert sent == [
        (step_host, name, thumbprint)
        for thumbprint in sorted(bench.lab.world.machine("VM42").owner)
        for step_host, name in (
            ("HV01", "Export-RemediationShieldedCertificate"),
            ("HV02", "Import-RemediationShieldedCertificate"),
        )
    ], "what was approved is what ran"
    held = bench.lab.world.host("HV02").shielded
    assert {each.pfx for each in held.values()} == set(keys_of(bench))
    assert not any(each.exportable for each in held.values()), "they go no further"
    assert bench.lab.move(failure.vm, failure.destination).refusal is None

    trail = "\n".join(str(each) for each in bench.ledger.journal("run-1", plan.digest))
    assert_untold(bench, plan.model_dump_json(), caplog.text, trail, repr(bench.lab.journal))


def test_nothing_of_a_key_is_in_what_a_whole_run_leaves(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """From the alert to the machine's arrival, with two people's approvals, what they were shown, and the report."""
    caplog.set_level(logging.DEBUG)
    approvers = Approvers(bench.ledger, "Anna Berg", "Bert Clay")
    bench.step_of = approvers.codes.step
    names = ["Anna Berg", "Bert Clay"]

    def gate(ask: Ask) -> Answer:
        bench.asked.append(ask)
        return approvers.answer(ask, names.pop(0), bench.clock())

    report = bench.mend(bench.lab.fail(KEYS), policy=Policy(windows={}), gate=gate)
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.outcome
    trail = [note for note in bench.ledger.trail("run-1") if note.kind == "carry"]
    assert [(note.data["from"], note.data["to"]) for note in trail] == [("HV01", "HV02")] * 2
    shown = [each.model_dump_json() for each in bench.asked]
    assert_untold(bench, report.model_dump_json(), caplog.text, *shown, *bench.pieces)


def test_undo_removes_exactly_what_was_brought(bench: Bench) -> None:
    failure = bench.lab.fail(KEYS)
    first = sorted(bench.lab.world.machine("VM42").owner)[0]
    source, destination = (bench.lab.world.host(name).shielded for name in ("HV01", "HV02"))
    destination[first] = source[first]
    before = bench.lab.world.state_hash()
    there = sealed(bench, proposed(bench, failure))
    assert carried_out(bench.engine(), there).ok
    assert len(destination) == 2
    assert bench.engine().applier(EVIDENCE).take_back("run-1", there, "the law asks for it").undone
    assert set(destination) == {first}
    assert bench.lab.world.state_hash() == before


def test_they_are_not_taken_away_from_under_the_machine_that_moved_to_them(bench: Bench) -> None:
    gate = Two(bench, "Anna Berg", "Bert Clay")
    assert bench.mend(bench.lab.fail(KEYS), policy=Policy(windows={}), gate=gate).retried
    assert bench.lab.world.machine("VM42").host == "HV02"
    back = bench.engine(Policy(windows={})).undo("undo-1", "run-1", dry_run=False, gate=never, requested_by="ben")
    assert back.outcome.ending is Ending.NEEDS_PERSON, back.outcome
    assert set(bench.lab.world.host("HV02").shielded) == set(bench.lab.world.machine("VM42").owner)


def test_nor_from_under_another_machine_that_is_sealed_to_them_and_came_since(bench: Bench) -> None:
    there = sealed(bench, proposed(bench, bench.lab.fail(KEYS)))
    assert carried_out(bench.engine(), there).ok
    other = bench.lab.world.machine("VM43")
    assert other.host == "HV02"
    other.owner = bench.lab.world.machine("VM42").owner
    back = bench.engine().applier(EVIDENCE).take_back("run-1", there, "the law asks for it")
    assert not back.undone
    assert "The virtual machine VM43 of this host is sealed to the certificate" in back.detail
    assert set(bench.lab.world.host("HV02").shielded) == set(other.owner)


def test_a_process_that_dies_on_the_way_leaves_whole_certificates_and_is_finished(bench: Bench) -> None:
    there = sealed(bench, proposed(bench, bench.lab.fail(KEYS)))
    life = Life(at=2, after=True)
    with pytest.raises(Died):
        carried_out(mortal(bench, life), there)
    assert carried_out(bench.engine(), there).ok
    assert {each.pfx for each in bench.lab.world.host("HV02").shielded.values()} == set(keys_of(bench))
    assert_untold(bench)


def test_a_source_that_hands_nothing_out_ends_the_plan_and_takes_back_what_came(bench: Bench) -> None:
    there = sealed(bench, proposed(bench, bench.lab.fail(KEYS)))
    last = sorted(bench.lab.world.machine("VM42").owner)[-1]
    source, destination = (bench.lab.world.host(name).shielded for name in ("HV01", "HV02"))

    def withhold() -> None:
        source[last] = replace(source[last], exportable=False)

    engine = bench.engine()
    engine.hosts = Meddling(bench, "Import-RemediationShieldedCertificate", before=withhold)
    applied = carried_out(engine, there)
    assert not applied.ok
    assert "Key not valid for use" in applied.detail
    assert applied.undone
    assert not destination


def brought(thumbprint: str) -> Step:
    """One certificate from HV01 to HV02."""
    there = Certificates(subject="HV02", thumbprints=frozenset())
    return Step(
        target=Target(kind="host", name="HV02", id="HV02"),
        host="HV02",
        command=command("Import-RemediationShieldedCertificate", Thumbprint=thumbprint, Pfx=Secret(secret="pfx")),
        carries=(
            Carried(secret="pfx", host="HV01", command=command("Export-RemediationShieldedCertificate", Thumbprint=thumbprint)),
        ),
        why="the test asks for it",
        changes=changes(there, there.model_copy(update={"thumbprints": frozenset({thumbprint})})),
    )


def send(remoting: Remoting, step: Step) -> None:
    remoting.change(step.host, step.command, deadline=20, command_id=uuid4(), before_send=lambda: None, carries=step.carries)


@pytest.mark.parametrize("exposed", ["HV01", "HV02"])
def test_no_key_leaves_by_an_endpoint_that_may_not_carry_it(bench: Bench, exposed: str) -> None:
    """Whatever a plan says, the door itself refuses before anything is asked."""
    bench.lab.inject(KEYS)
    site = bench.lab.site()
    plain = {"transport": "http", "authentication": Authentication.NTLM}
    hosts = [
        each.model_copy(update={"endpoint": each.endpoint.model_copy(update=plain)}) if each.name == exposed else each
        for each in site.hosts
    ]
    refused = pytest.raises(EndpointRefused, match=f"^{exposed}: .*may carry no private key")
    with Remoting(site.model_copy(update={"hosts": tuple(hosts)}), resolve) as remoting, refused:
        send(remoting, brought(bench.lab.world.machine("VM42").owner[0]))
    assert not bench.lab.journal


def test_an_endpoint_without_the_role_for_keys_hands_out_none() -> None:
    with Lab(configuration="Remediation") as lab, Remoting(lab.site(), resolve) as remoting:
        lab.inject(KEYS)
        with pytest.raises(EndpointRefused, match=r"HV01.*does not offer the command"):
            send(remoting, brought(lab.world.machine("VM42").owner[0]))
        assert not lab.world.host("HV02").shielded


def sealed_anew(pfx: str, password: str, other: str) -> str:
    """The same certificate and key, as a PFX that opens by another password."""
    key, certificate, _ = pkcs12.load_key_and_certificates(b64decode(pfx), password.encode())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = pkcs12.serialize_key_and_certificates(None, key, certificate, None, BestAvailableEncryption(other.encode()))
    return b64encode(made).decode()


def test_what_may_not_leave_or_is_not_what_it_should_be_is_refused(bench: Bench) -> None:
    bench.lab.inject(KEYS)
    store = bench.lab.world.host("HV01").shielded
    first, second = bench.lab.world.machine("VM42").owner
    store[first] = replace(store[first], exportable=False)
    with pytest.raises(CommandFailed, match="not valid for use") as refused:
        send(bench.remoting, brought(first))
    assert refused.value.error.code == "0x8009000B"
    store[second] = replace(store[second], pfx=store[first].pfx)
    with pytest.raises(CommandFailed, match="password is not correct"):
        send(bench.remoting, brought(second))
    store[second] = replace(store[second], pfx=sealed_anew(store[first].pfx, first, second))
    with pytest.raises(CommandFailed, match=f"not the certificate {second}"):
        send(bench.remoting, brought(second))
    store[second] = replace(store[second], pfx="AAAA")
    with pytest.raises(CommandFailed):
        send(bench.remoting, brought(second))
    assert not bench.lab.world.host("HV02").shielded


def test_a_step_carries_only_what_its_command_takes_and_another_hands_out() -> None:
    step = brought("AA11" * 10).model_dump(mode="json")
    step["carries"][0]["secret"] = "other"
    with pytest.raises(ValidationError, match="takes no secret other"):
        Step.model_validate(step)
    with pytest.raises(ValidationError, match="hands out no secret"):
        Carried(secret="pfx", host="HV01", command=command("Get-VMHost"))
    with pytest.raises(ValidationError, match="the name of a secret"):
        command("Import-RemediationShieldedCertificate", Thumbprint="AA11" * 10, Pfx="a key in clear")
