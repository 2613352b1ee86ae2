"""How a run ends, and the closed list of reasons for not acting."""

from __future__ import annotations

from enum import StrEnum

from remediations.model.base import Frozen


class Reason(StrEnum):
    """Why nothing, or nothing more, was done. The list is closed: a new reason is a change of this design."""

    DUPLICATE_IN_PROGRESS = "DuplicateInProgress"
    RESOURCE_BUSY = "ResourceBusy"
    RECENTLY_REMEDIATED = "RecentlyRemediated"
    CAP_REACHED = "CapReached"
    PAUSED = "Paused"
    BREAKER_OPEN = "BreakerOpen"
    INEFFECTIVE = "Ineffective"
    OUTSIDE_WINDOW = "OutsideWindow"
    DRIFT = "Drift"
    GUARD_FAILED = "GuardFailed"
    SYMPTOM_GONE = "SymptomGone"
    NOT_APPROVED = "NotApproved"
    APPROVAL_EXPIRED = "ApprovalExpired"
    APPROVAL_INVALID = "ApprovalInvalid"
    POLICY_NEVER = "PolicyNever"
    MANAGED_ELSEWHERE = "ManagedElsewhere"
    ENDPOINT_LACKS = "EndpointLacks"
    SELECTOR_REFUSED = "SelectorRefused"
    LEDGER_UNAVAILABLE = "LedgerUnavailable"


class Refused(Exception):
    """Nothing, or nothing more, was done, for one of the closed list's reasons. `detail` says what would be right."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason, self.detail = reason, detail


class AnswerRefused(Refused):
    """What is refused is one answer to a question (a wrong code, the wrong person): the question may be asked again."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.APPROVAL_INVALID, detail)


class Ending(StrEnum):
    """How a run ended."""

    MENDED = "mended"  # applied, verified, and what had failed has succeeded
    NOTHING_TO_DO = "nothing to do"  # what was asked for is already so
    PROPOSED = "proposed"  # dry run or policy: the plan was shown, nothing was changed
    NEEDS_PERSON = "needs a person"  # instructions and evidence were given
    REFUSED = "refused"  # a reason of the closed list; nothing was changed
    UNDONE = "undone"  # something failed half-way and what was done was taken back
    FAILED = "failed"  # something failed and could not be taken back: says what is left


class Outcome(Frozen):
    """What became of a run."""

    ending: Ending
    reason: Reason | None = None
    summary: str
    """One or two sentences for people: what is so now, and what to do."""

    @property
    def words(self) -> str:
        """The whole in one line: how it ended, why by the closed list, and what is so now."""
        reason = f" ({self.reason.value})" if self.reason is not None else ""
        return f"{self.ending.value}{reason}: {self.summary}"
