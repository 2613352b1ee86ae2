"""What the machine of approvals stands on: plans of any tier, people with authenticators, a Prefect made of one dictionary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyotp

from remediations.codes import Codes
from remediations.engine import Answer, Ask
from remediations.ledger import Ledger
from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan, Step, Target
from remediations.model.tier import Reversal, Tier

KEY = "3xO1wD0rJ2t8Y7z6o5yW4v3u2s1r0q9p8o7n6m5l4kM="
"""A Fernet key that guards nothing."""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def plan(tier: Tier, limit: int) -> Plan:
    """A plan of one step; another `limit` is what it becomes when the facts have moved."""
    step = Step(
        target=Target(kind="virtual machine", name="VM42", id="id-of-vm42"),
        host="HV01",
        command=command("Set-VMHost", MaximumVirtualMachineMigrations=limit),
        why="the test asks for it",
        changes=(Change(fact="VmHost:hv01", field="migrations", before=2, after=limit),),
    )
    request = {"host": "HV01"}
    return Plan(
        remediation="set-migration-limits",
        request=request,
        title="Raise it",
        tier=tier,
        reversal=Reversal.EXACT,
        proof=None,
        items=(step,),
    )


class Suspended(BaseException):
    """The run ends here; it is called again from its beginning once it is resumed."""


GARBAGE = object()
"""A row that Prefect's form would not have let through."""


@dataclass
class Rows:
    """What Prefect keeps of a run: an answer for each key of a question, whoever wrote it there."""

    answers: dict[str, object] = field(default_factory=dict)
    pending: Ask | None = None

    def gate(self, ask: Ask) -> Answer:
        """Suspend for a question that has no answer yet, as Prefect does."""
        if ask.key not in self.answers:
            self.pending = ask
            raise Suspended
        self.pending = None
        answer = self.answers[ask.key]
        if not isinstance(answer, Answer):
            raise Refused(Reason.APPROVAL_INVALID, "the run was resumed past its form")
        return answer


class People:
    """Who is enrolled, with their authenticators, also those that count no more."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.codes = ledger, Codes(lambda: KEY)
        self.authenticators: dict[str, pyotp.TOTP] = {}
        self.serial: dict[str, int] = {}
        self.enrolled: set[str] = set()

    def add(self, name: str) -> None:
        """Enrol somebody."""
        uri, sealed = self.codes.enrol(name)
        self.ledger.add_approver(name, sealed, by="root")
        found = pyotp.parse_uri(uri)
        assert isinstance(found, pyotp.TOTP)
        self.authenticators[name] = found
        self.serial[name] = self.serial.get(name, 0) + 1
        self.enrolled.add(name)

    def remove(self, name: str) -> None:
        """End it."""
        self.ledger.remove_approver(name, by="root")
        self.enrolled.discard(name)

    def code(self, name: str, at: datetime) -> str:
        """What an authenticator shows, or showed before its owner was removed; for who never had one, six digits."""
        return self.authenticators[name].at(at) if name in self.authenticators else "123456"


STEP = timedelta(seconds=30)
