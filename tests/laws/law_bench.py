"""What the laws stand on: one lab with everything that acts on it, as production builds it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from remediations.engine import Answer, Ask, Engine, Report
from remediations.engine.ports import StepOf, Switches, no_codes, no_switches
from remediations.lab.lab import Failure, Lab
from remediations.ledger import Ledger
from remediations.model.contract import Effect, contracts
from remediations.model.incident import Incident, What
from remediations.model.plan import Plan
from remediations.model.policy import Policy, Proven, Retry
from remediations.model.tier import Tier
from remediations.remoting import Remoting

NAMES = dict.fromkeys(Tier, Proven.NAME)
ANYTIME = Policy(windows={}, proof=NAMES)
"""Approved by a name, at any time: for laws that are about something else."""


class MovableClock:
    """The time now, shifted by what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Bench:
    """One lab with everything that acts on it."""

    lab: Lab
    ledger: Ledger
    remoting: Remoting
    clock: MovableClock
    path: Path
    asked: list[Ask] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    step_of: StepOf = no_codes
    switches: Switches = no_switches

    def engine(self, policy: Policy = ANYTIME, remoting: Remoting | None = None) -> Engine:
        """An engine on this bench; names of what it did go to `pieces`."""

        def observe(name: str, work: Callable[[], object]) -> object:
            self.pieces.append(name)
            return work()

        return Engine(
            site=self.lab.site(),
            policy=policy,
            ledger=self.ledger,
            remoting=remoting or self.remoting,
            clock=self.clock,
            observe=observe,  # a function cannot be generic in its own annotation
            pause=self.pause,
            step_of=self.step_of,
            switches=self.switched,
        )

    def switched(self) -> Mapping[str, str | None]:
        """What `switches` says now, whenever the engine was made."""
        return self.switches()

    def pause(self, seconds: float) -> None:
        """Wait a moment for the lab, and let the engine's clock believe that it was all of it."""
        moment = min(seconds, 0.05)
        time.sleep(moment)
        self.clock.ahead += timedelta(seconds=seconds - moment)

    def approving(self, ask: Ask) -> Answer:
        """A gate that approves and remembers what it was asked."""
        self.asked.append(ask)
        return Answer(decision="approve", approver="anna", digest=ask.digest[:8])

    def mend(self, failure: Failure, run: str = "run-1", policy: Policy = ANYTIME, **wanted: object) -> Report:
        """The main runbook on a failure, approved at once."""
        gate = wanted.pop("gate", self.approving)
        assert not wanted
        return self.engine(policy).remediate(
            run,
            incident_of(failure),
            dry_run=False,
            gate=gate,
            requested_by="alerting",
        )

    def look(self, failure: Failure) -> Report:
        """The same as a dry run, with a gate that must not be reached."""
        return self.engine().remediate("dry", incident_of(failure), dry_run=True, gate=never, requested_by="alerting")

    def changes(self) -> list[tuple[str, str, dict[str, object]]]:
        """Every change that the hosts executed: host, command, parameters (as bound)."""
        return [
            (each.host, each.name, dict(each.parameters))
            for each in self.lab.journal
            if each.executed and contracts()[each.name].effect is not Effect.READ
        ]


def never(ask: Ask) -> Answer:
    """A gate that nothing may reach."""
    raise AssertionError(f"somebody was asked: {ask.page}")


def incident_of(failure: Failure) -> Incident:
    """The incident that an alert about this failure reports."""
    return Incident(
        what=What.MIGRATION if failure.vm else What.DRAIN,
        vm=failure.vm or None,
        source=failure.source,
        destination=failure.destination or None,
        cluster=failure.cluster or None,
        event_id=failure.event_id,
        channel=failure.channel,
        provider=failure.provider,
        message=failure.message,
        occurred_at=failure.time,
        reported_by="Alertmanager",
    )


def planned_changes(*plans: Plan | None) -> list[tuple[str, str, dict[str, object]]]:
    """What these plans would send, in order, in the shape of `Bench.changes`."""
    return [
        (
            step.host,
            step.command.name,
            {k: v for k, v in step.command.parameters.items() if k not in ("ErrorAction", "Confirm")},
        )
        for plan in plans
        if plan is not None
        for step in plan.steps
    ]


def comparable(sent: list[tuple[str, str, dict[str, object]]]) -> list[str]:
    """Commands as text that two spellings of one value share: GUIDs and numbers as text, lists as lists."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {str(key): plain(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return plain(value[0]) if len(value) == 1 else [plain(each) for each in value]
        return str(value) if isinstance(value, (UUID, int)) and not isinstance(value, bool) else value

    return [json.dumps([host, name, plain(parameters)], sort_keys=True) for host, name, parameters in sent]


def assert_hidden(bench: Bench, *texts: str) -> None:
    """The operator's password is in none of these texts, nor in the ledger's files."""
    secret = bench.lab.password
    assert len(secret) > 10
    for text in texts:
        assert secret not in text
    files = [path for path in bench.path.glob("ledger.db*") if path.is_file()]
    assert files
    for path in files:
        assert secret.encode() not in path.read_bytes()


def mend_only() -> Policy:
    """A policy that leaves the move itself to people."""
    return Policy(windows={}, proof=NAMES, retry=Retry.NEVER)
