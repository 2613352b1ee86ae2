"""What a run has found and done so far, and how it ends: the outcome in the ledger, and the report."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from remediations.engine.chronicle import Span, chronicle
from remediations.engine.companions import companions, dismiss
from remediations.engine.done import did
from remediations.engine.endings import sent, unverified, whys, with_what_stays
from remediations.engine.ports import Companion, Considered, Phase, Report, Sent, without_plan
from remediations.engine.propose import Proposal
from remediations.engine.render import report_markdown
from remediations.engine.report_page import page
from remediations.engine.sending import Applied, Overtaken
from remediations.ledger import Entry
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan

if TYPE_CHECKING:
    from remediations.engine.runbook import Engine

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Account:
    """One run's account of itself. What does the work fills it in; however that ends, it is written down and reported."""

    def __init__(self, engine: Engine, run: str) -> None:
        self.engine, self.run = engine, run
        self.ledger, self.policy, self.site = engine.ledger, engine.policy, engine.site
        self.incident_id: str | None = None
        self.title = ""
        self.considered: tuple[Considered, ...] = ()
        self.plan: Plan | None = None
        self.retry: Plan | None = None
        self.observed = False
        """Whether policy wants no more than the diagnosis: the report then holds no plan."""
        self.verified = self.retried = False
        self.phases: list[Phase] = []
        self.proposal: Proposal | None = None
        self.expected = ""
        """What was to be expected of an operation that moves others, as markdown."""
        self.stuck = ""
        """What kept a drain from its end, as markdown."""
        self.progress = ""
        """How far what goes on for long is, as markdown."""

    def remember(self, number: int) -> tuple[Cause | None, bool]:
        """Which cause a round is for, and whether it is only presumed, as the run itself wrote down; for the report, why."""
        for note in reversed(self.ledger.trail(self.run)):
            if note.kind == "considered":
                self.proposal = Proposal(
                    incident=Incident.model_validate(note.data["incident"]),
                    evidence=Evidence(),
                    considered=tuple(Considered.model_validate(each) for each in note.data["causes"]),
                    also_seen=(),
                )
                self.considered, self.title = self.proposal.considered, self.proposal.incident.title
                break
        for note in reversed(self.ledger.trail(self.run)):
            if note.kind == "chosen" and note.data["round"] == number:
                cause = note.data["cause"]
                return (Cause(cause) if cause else None), bool(note.data["presumed"])
        return None, False

    def _spans(self) -> tuple[Span, ...]:
        incident = self.proposal.incident if self.proposal is not None else None
        return chronicle(self.ledger.trail(self.run), incident.occurred_at if incident is not None else None)

    def kept_evidence(self) -> str:
        """Where what was read before any change is kept, or why it is not; nothing for a run that keeps none."""
        kept = [str(note.data["kept"]) for note in self.ledger.trail(self.run) if note.kind == "evidence"]
        return kept[-1] if kept else ""

    def told_before(self) -> Report | None:
        """The report of this very run if it has ended already: asked for again, it changes nothing and opens nothing."""
        record = self.ledger.run(self.run)
        if record is None:
            return None
        outcome = record.outcome
        if outcome is None and record.incident_id is not None:
            # It died between closing its incident and saying so.
            incident = self.ledger.incident(record.incident_id)
            outcome = incident.outcome if incident.run == self.run else None
            if outcome is not None:
                self.ledger.finish_run(self.run, outcome)
        if outcome is None:
            return None
        told = [note.data["markdown"] for note in self.ledger.trail(self.run) if note.kind == "report"]
        return self._report(outcome, sent(self._entries())).model_copy(
            update={"incident_id": record.incident_id} | ({"markdown": told[-1]} if told else {})
        )

    def concluded(self, work: Callable[[], Outcome]) -> Report:
        """Run `work` to its outcome, a refusal being one too, and report it."""
        try:
            outcome = work()
        except Refused as refused:
            # What is over needs nothing: that is no refusal to people.
            ending = Ending.NOTHING_TO_DO if refused.reason is Reason.SYMPTOM_GONE else Ending.REFUSED
            outcome = Outcome(ending=ending, reason=refused.reason, summary=refused.detail)
            if isinstance(refused, Overtaken):
                return self._report(outcome)
        return self.ended(outcome)

    def ended(self, outcome: Outcome, *, close: bool = True) -> Report:
        """Write the outcome down and report it; without the ledger it is left to recovery, which finishes the run."""
        if outcome.reason is Reason.LEDGER_UNAVAILABLE:
            return self._report(outcome)
        entries = self._entries()
        outcome = with_what_stays(outcome, entries)
        company = companions(self.ledger, self.incident_id, self.plan, self.site) if close else ()
        report = self._report(outcome, sent(entries), company)
        # The run is finished last: whoever dies in between leaves a run that recovery still sees.
        known = self.ledger.run(self.run) is not None
        if known:
            self.ledger.note(self.run, "report", {"markdown": report.markdown})
        if close and self.incident_id is not None:
            dismiss(self.ledger, self.incident_id, company, outcome)
            self.ledger.close_incident(self.incident_id, outcome)
        if known:
            self.ledger.finish_run(self.run, outcome)
            self.engine.head()
            self._write_page(report)
        return report

    def _page(self) -> str:
        """Where the report is as a page; empty where none is kept, as of a dry run, which the ledger does not know."""
        if self.engine.keeps is None or self.ledger.run(self.run) is None:
            return ""
        return str(self.engine.keeps / "reports" / f"{_file_name(self.run)}.html")

    def _write_page(self, report: Report) -> None:
        """The report as a page of its own; without it there is still the report."""
        if not report.page:
            return
        try:
            path = Path(report.page)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(page(report), "utf-8")
        except OSError as error:
            log.warning("the report's page could not be written", run=self.run, file=report.page, error=str(error))

    def _entries(self) -> list[Entry]:
        """What this run sent, in all its rounds, in order."""
        return [each.entry for each in did(self.ledger, self.run)]

    def _decided(self) -> tuple[str, ...]:
        """Who said what to which plan of this run, in order."""
        said = {"approved": "approved", "approve": "approved", "reject": "rejected"}
        return tuple(
            f"{each.data['digest'][:4]} {each.data['digest'][4:8]} {said[each.data.get('decision', 'approved')]} by "
            f"{each.data['approver']} ({each.data['proof']}), {each.at:%Y-%m-%d %H:%M} UTC"
            + (f": {each.data['comment']}" if each.data["comment"] else "")
            for each in self.ledger.trail(self.run)
            if each.kind in ("approved", "decided")
        )

    def _report(self, outcome: Outcome, what: tuple[Sent, ...] = (), company: tuple[Companion, ...] = ()) -> Report:
        # Without the ledger only what this process knows is told.
        readable = outcome.reason is not Reason.LEDGER_UNAVAILABLE
        report = Report(
            run=self.run,
            incident_id=self.incident_id,
            title=self.title or (self.plan.title if self.plan else ""),
            outcome=outcome,
            considered=tuple(map(without_plan, self.considered)) if self.observed else self.considered,
            also_seen=self.proposal.also_seen if self.proposal and not self.observed else (),
            plan=None if self.observed else self.plan,
            retry=None if self.observed else self.retry,
            sent=what,
            decided=self._decided() if readable else (),
            verified=self.verified,
            retried=self.retried,
            phases=tuple(self.phases),
            spans=self._spans() if readable else (),
            companions=company,
            expected=self.expected,
            stuck=self.stuck,
            progress=self.progress,
            evidence=self.kept_evidence() if readable else "",
            page=self._page() if readable else "",
            trail=self.engine.head().words if readable else "",
        )
        return report.model_copy(update={"markdown": report_markdown(report, self.proposal)})

    # ---- the remediations' records -----------------------------------------------------------------------------------

    def note_trial(self, number: int, *, verified: bool, detail: str = "") -> None:
        """Whether the mend of a round was verified: its remediations' trust and breakers go by it."""
        sealed = self.ledger.sealed(self.run, round=number, part="repair")
        if sealed is not None:
            self.engine.judging.note_trial(self.run, sealed.plan, verified=verified, detail=detail)

    def note_failure(self, number: int, applied: Applied) -> None:
        """A plan that was not carried to its end counts against it if a host, or what it waited for, is why."""
        if applied.reason not in (None, Reason.GUARD_FAILED):
            return  # what the ledger itself keeps from going on is not asked of it again
        sealed = self.ledger.sealed(self.run, round=number, part="repair")
        if sealed is not None and self.ledger.journal(self.run, sealed.digest):
            self.note_trial(number, verified=False, detail=applied.detail)

    def unverified(self, number: int, again: Plan, still: Outcome) -> Outcome:
        """`still`, or that a person is needed for what is left; only the first counts against the remediation."""
        outcome = unverified(again, still)
        if outcome is still:
            self.note_trial(number, verified=False, detail=f"not verified: {'; '.join(whys(again))}")
        return outcome

    # ---- watching ----------------------------------------------------------------------------------------------------

    def watch(self, name: str, work: Callable[[], T]) -> T:
        """Do one piece of work under a name that people see."""
        return self.engine.observe(name, work)

    def phase(self, name: str, work: Callable[[], T]) -> T:
        """Do one part of the run; the report says how long it took."""
        started = self.engine.clock()
        try:
            return work()
        finally:
            seconds = max(0.0, (self.engine.clock() - started).total_seconds())
            self.phases.append(Phase(name=name, started_at=started, seconds=seconds))


def _file_name(run: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", run)
