"""The runbook: read, plan, ask, apply, verify, try again, report. Re-entrant: called again, it goes on from the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from remediations.catalogue.remediation import Remediation
from remediations.engine.apply import Applier
from remediations.engine.judging import Judging
from remediations.engine.ports import Clock, Gate, Hosts, Observe, Report, StepOf, Switches, no_codes, no_switches, quietly
from remediations.engine.propose import canonical
from remediations.engine.recover import Fate, Left, Recovered, Unseen, left_over, recover
from remediations.engine.rolling import rolled
from remediations.engine.rounds import Run
from remediations.engine.symptom import over_by_now
from remediations.engine.watch import Seen, watch
from remediations.ledger import Head, Ledger, OpenIncident
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.policy import Policy
from remediations.model.roll import RollingMaintenance
from remediations.model.site import Site


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Engine:
    """One process's engine. Give it hosts, a ledger and a policy; it holds no state of its own between calls."""

    def __init__(
        self,
        *,
        site: Site,
        policy: Policy,
        ledger: Ledger,
        remoting: Hosts,
        clock: Clock = utc_now,
        observe: Observe = quietly,
        pause: Callable[[float], None] = time.sleep,
        step_of: StepOf = no_codes,
        switches: Switches = no_switches,
        keeps: Path | None = None,
        publish: Callable[[Head], None] = lambda head: None,
    ) -> None:
        """`keeps` is the directory for each run's evidence and page; without it none is kept."""
        self.keeps = keeps
        self.site, self.policy, self.ledger, self.hosts = site.held_to(policy.maintenance), policy, ledger, remoting
        self.clock, self.observe, self.pause, self.step_of = clock, observe, pause, step_of
        self.publish = publish
        self.judging = Judging(self.site, policy, ledger, clock, switches)

    def head(self) -> Head:
        """The audit trail's head for a report or a page; whoever keeps what was published is told."""
        head = self.ledger.end()
        self.publish(head)
        return head

    def remediate(self, run: str, incident: Incident, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
        """Mend one failed migration or drain. Raises `LookupError` for a host or cluster that the inventory does not have."""
        reported, incident = incident, canonical(incident, self.site)
        work = Run(self, run, gate)
        if dry_run:
            return work.concluded(lambda: work.look(incident))
        if told := work.told_before():
            return told
        meant = self.ledger.meant_for(run)
        if meant is not None and meant.closed_at is not None and meant.outcome is not None:
            # It was over before its run began: nothing is opened anew.
            work.incident_id, work.title = meant.id, meant.incident.title
            self.ledger.start_run(run, kind="remediate-migration", incident_id=meant.id, requested_by=requested_by)
            summary = f"{meant.id} was closed before its run began: {meant.outcome.summary}"
            closed = Outcome(ending=Ending.NOTHING_TO_DO, reason=meant.outcome.reason, summary=summary)
            return work.ended(closed, close=False)
        # What the receiver opened is taken over as it is; only a report that nobody opened yet opens, or joins, one. It has
        # no owner before its run is recorded: whatever ends this process, it is either started again or recovered.
        keys = {reported.key, incident.key}
        mine = (each for each in self.ledger.open_incidents() if each.incident.key in keys and each.run in (None, run))
        opened = meant or next(mine, None) or self.ledger.open_incident(incident, None)
        self.ledger.start_run(run, kind="remediate-migration", incident_id=opened.id, requested_by=requested_by)
        work.incident_id = opened.id
        if not self.ledger.attach_run(opened.id, run):
            detail = f"{opened.id} is being worked on by run {opened.run}; this report was added to it"
            return work.ended(Outcome(ending=Ending.REFUSED, reason=Reason.DUPLICATE_IN_PROGRESS, summary=detail), close=False)
        return work.concluded(lambda: work.mend(opened.incident))

    def carry_out(self, run: str, remediation: Remediation, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
        """Carry out one entry of the catalogue that a person asked for."""
        remediation = remediation.spelled(self.site)
        work = Run(self, run, gate)
        work.title = remediation.summary
        if not dry_run:
            if told := work.told_before():
                return told
            self.ledger.start_run(run, kind=remediation.id, incident_id=None, requested_by=requested_by)
        return work.concluded(lambda: work.operate(remediation, dry_run=dry_run))

    def undo(self, run: str, of: str, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
        """Take back what the ended run `of` did and what is still so. Raises `LookupError` if the ledger has no such run."""
        if self.ledger.run(of) is None:
            raise LookupError(f"run: the ledger has no run {of}; the report of a run names it")
        work = Run(self, run, gate)
        if not dry_run:
            if told := work.told_before():
                return told
            self.ledger.start_run(run, kind="undo", incident_id=None, requested_by=requested_by)
        return work.concluded(lambda: work.undo(of, dry_run=dry_run))

    def roll(self, run: str, request: RollingMaintenance, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
        """Maintain a cluster's nodes one after another. Raises `LookupError` for a name that the inventory does not have."""
        return rolled(self, run, request, dry_run=dry_run, gate=gate, requested_by=requested_by)

    def recover(self, fate: Fate) -> list[Recovered]:
        """Finish what runs left that will not come back; `fate` says why a run is over, or None while it may go on."""
        found = recover(self.ledger, self.applier(Evidence()), fate)
        if found:
            self.head()
        return found

    def over_by_now(self, incidents: Sequence[OpenIncident]) -> dict[str, str]:
        """Of open incidents those whose symptom is gone, by id: a sentence that says how that is known. Only reads."""
        return over_by_now(self.hosts, self.site, incidents)

    def left_over(self, fate: Fate, unseen: Unseen) -> list[Left]:
        """What runs still have left after `recover`, and why; `unseen` says why of a run it cannot be told if it goes on."""
        return left_over(self.ledger, fate, unseen)

    def watch(self) -> Seen:
        """Look at all hosts' event logs once: report what failed since the last look. Only reads."""
        return watch(self.hosts, self.site, self.ledger, self.clock)

    def applier(self, evidence: Evidence) -> Applier:
        """What applies plans, on the facts that `evidence` makes them read."""
        return Applier(
            site=self.site,
            policy=self.policy,
            ledger=self.ledger,
            hosts=self.hosts,
            clock=self.clock,
            pause=self.pause,
            room=self.judging.room,
            may_begin=self.judging.may_begin,
            paused=self.judging.why_paused,
            publish=self.head,
            observe=self.observe,
            evidence=evidence,
        )
