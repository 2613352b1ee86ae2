"""Plans, a clock and database addresses that the ledger's tests, and the processes they start, share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from remediations.ledger import Decision, Lease, Ledger, Sealed
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Close, Plan, Satisfied, Step, Target
from remediations.model.policy import Needed, Proven
from remediations.model.situation import Room, unlimited
from remediations.model.tier import Proof, Reversal, Tier

ENDED = Outcome(ending=Ending.MENDED, summary="It moves again.")
RESOURCES = ("host:hv07",)
MARGIN = 15.0


on_sqlite = pytest.mark.parametrize("blank", ["sqlite"], indirect=True)
"""For what is SQLite's own, and for long tables of rules, which are the same code on either database."""

on_postgres = pytest.mark.parametrize("blank", ["postgresql"], indirect=True)


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def file_of(url: str) -> Path:
    """The file of a ledger in SQLite."""
    return Path(url.removeprefix("sqlite:///"))


def incident(vm: str = "VM42", **known: object) -> Incident:
    return Incident.model_validate({"vm": vm, "source": "HV03", "destination": "HV07", "cluster": "CLUSTER1", **known})


def limit_step(limit: int = 4, host: str = "HV07", **more: object) -> Step:
    """Raises a host's migration limit."""
    return Step.model_validate(
        {
            "target": Target(kind="host", name=host, id=f"id-of-{host}"),
            "host": host,
            "command": command("Set-VMHost", MaximumVirtualMachineMigrations=limit),
            "undo": command("Set-VMHost", MaximumVirtualMachineMigrations=2),
            "why": "the limit is below what the site expects",
            "changes": (Change(fact=f"HostLimits:{host.casefold()}", field="migrations", before=2, after=limit),),
            "deadline": 60,
            **more,
        }
    )


def stop_step() -> Step:
    """Opens a bracket: the virtual machine is off until it is started again."""
    return limit_step(
        command=command("Stop-VM", Name="VM42"),
        undo=None,
        opens="VM42 is off",
        close=Close(host="HV07", command=command("Start-VM", Name="VM42")),
    )


def start_step() -> Step:
    """Closes it."""
    return limit_step(command=command("Start-VM", Name="VM42"), undo=None, closes="VM42 is off")


def plan(*steps: Step, title: str = "Raise the migration limit: HV07") -> Plan:
    return Plan(
        remediation="set-migration-limits",
        request={"host": "HV07"},
        title=title,
        tier=Tier.LOCAL,
        reversal=Reversal.EXACT,
        proof=Proof.EPISODE,
        items=(Satisfied(why="storage migrations are as expected"), *(steps or (limit_step(),))),
    )


@contextmanager
def refused(reason: Reason, *words: str) -> Iterator[None]:
    """The body is refused for this reason, and the detail says these words."""
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.reason is reason, caught.value
    for word in words:
        assert word in caught.value.detail


def started(ledger: Ledger, run: str = "run-1", *, requested_by: str = "anna") -> str:
    ledger.start_run(run, kind="remediate-migration", incident_id=None, requested_by=requested_by)
    return run


def tried(ledger: Ledger, run: str, *, verified: bool) -> None:
    """A mend of `mend-it`, and whether it helped; one that did not opens its breaker."""
    started(ledger, run)
    breaks = (1, timedelta(days=1))
    told = {"detail": "", "causes": [Cause.SPN_MISSING], "targets": ["x"]}
    ledger.tried(run, "d" * 64, ["mend-it"], verified=verified, breaks=breaks, **told)


def sealed(ledger: Ledger, wanted: Plan, *, run: str = "run-1", number: int = 1, hours: float = 8) -> Sealed:
    until = ledger._now() + timedelta(hours=hours)
    return ledger.seal(run, round=number, part="repair", plan=wanted, expires_at=until)


OWN = Needed(people=1, proof=Proven.NAME, own=True)


def approve(ledger: Ledger, which: Sealed, approver: str = "bert", **more: object) -> None:
    ledger.decide(which, decision="approve", approver=approver, comment="", proof="name", **more)


def under_way(
    ledger: Ledger, wanted: Plan, *, run: str = "run-1", resources: Sequence[str] = RESOURCES
) -> tuple[Sealed, Lease]:
    """A plan that was approved and whose hosts are leased: its first step may be sent."""
    started(ledger, run)
    which = sealed(ledger, wanted, run=run)
    approve(ledger, which)
    assert isinstance(ledger.use_approval(which), Decision)
    return which, ledger.lease(resources, holder=run, seconds=600)


def intend(
    ledger: Ledger, which: Sealed, lease: Lease, index: int = 1, command_id: UUID | None = None, *, room: Room = unlimited
) -> UUID:
    command_id = command_id or uuid4()
    step = which.plan.items[index]
    assert isinstance(step, Step)
    ledger.intend(
        run=which.run,
        digest=which.digest,
        index=index,
        step=step,
        command_id=command_id,
        lease=lease,
        deadline=step.deadline,
        margin=MARGIN,
        room=room,
    )
    return command_id


def intend_undo(ledger: Ledger, which: Sealed, lease: Lease, *, deadline: float = 60) -> UUID:
    """The plan's first step is about to be taken back."""
    command_id = uuid4()
    ledger.intend_undo(
        run=which.run, digest=which.digest, index=1, command_id=command_id, lease=lease, deadline=deadline, margin=MARGIN
    )
    return command_id


def intend_close(ledger: Ledger, which: Sealed, lease: Lease, *, deadline: float = 60) -> UUID:
    """What the plan's first step opened is about to be closed."""
    command_id = uuid4()
    (bracket,) = ledger.open_brackets(which.run)
    ledger.intend_close(bracket, command_id=command_id, lease=lease, deadline=deadline, margin=MARGIN)
    return command_id


def result(
    ledger: Ledger,
    which: Sealed,
    index: int = 1,
    *,
    of: UUID | None = None,
    ok: bool = True,
    how: str = "answered",
    detail: str = "",
) -> None:
    """What became of a step, by the last command that was sent for it, or by another one."""
    step = {"run": which.run, "digest": which.digest, "index": index}
    last = next((each.command_id for each in ledger.journal(which.run, which.digest) if each.index == index), uuid4())
    ledger.result(**step, command_id=of or last, ok=ok, detail=detail, how=how)
