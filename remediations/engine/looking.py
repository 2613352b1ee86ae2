"""What a run reads and finds: the plan of a request, the proposal for a failure, and the evidence that it keeps of both."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from remediations.catalogue.remediation import Remediation
from remediations.engine.account import Account
from remediations.engine.bundle import forget
from remediations.engine.collect import completed
from remediations.engine.endings import stands
from remediations.engine.foresight import Foresight, foresee
from remediations.engine.gather import read_for
from remediations.engine.ports import without_plan
from remediations.engine.propose import Proposal, gather_evidence, propose
from remediations.engine.recording import Recording
from remediations.engine.render import escape
from remediations.engine.symptom import nowhere
from remediations.engine.whereabouts import elsewhere
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence, Sighting
from remediations.model.incident import Incident
from remediations.model.plan import Plan
from remediations.model.tier import Tier
from remediations.remoting import RemotingError

if TYPE_CHECKING:
    from remediations.engine.runbook import Engine

EVIDENCE_HOURS = 2.0
"""How far back a run's own evidence goes; `remediate collect --hours` reads further."""

LEAST = 3
"""Nodes of a cluster in which there is another one to go to than the one that failed."""

NAMED = 3
"""Of such nodes so many are named at most."""

NOTHING = Evidence()
"""What an operation stands on beside its request."""

OURSELVES = "the run itself"
"""Who reports that a move failed again once its fault was mended."""
_OF_ONE_FAILURE = ("message", "event_id", "channel", "provider", "occurred_at", "reported_by")

log = structlog.get_logger(__name__)


class Looking(Account):
    """The part of a run that only reads."""

    def __init__(self, engine: Engine, run: str) -> None:
        super().__init__(engine, run)
        self.reported: Incident | None = None
        """What was reported, as it came."""
        self.absent = ""
        """Why the virtual machine of a request does not exist, if it does not."""
        self.foreseen: Foresight | None = None

    def planned(self, remediation: Remediation, evidence: Evidence = NOTHING) -> Plan:
        """One remediation's plan on facts read now, and what to expect of it."""

        def work() -> Plan:
            (inputs,) = read_for(self.engine.hosts, self.site, evidence, [remediation])
            self.absent = nowhere(inputs)
            plan = remediation.planned(inputs)
            if plan.appliable:
                self._look_ahead(remediation, inputs)
            return plan

        return self.phase("read and plan", partial(self.watch, f"read and plan: {remediation.summary}", work))

    def _look_ahead(self, remediation: Remediation, inputs: Mapping[str, Any]) -> None:
        """What to expect of a plan. Whoever approves is told, or told why it is not known: a plan never ends by it."""
        hosts, clock, drains = self.engine.hosts, self.engine.clock, self.ledger.drains
        try:
            self.foreseen = foresee(hosts, self.site, remediation, inputs, clock, drains)
        except (RemotingError, TimeoutError, LookupError, ValueError) as error:
            log.warning("what to expect is not known", run=self.run, remediation=remediation.id, error=repr(error))
            self.foreseen, self.expected = None, f"What to expect of it is not known: {escape(str(error))}."
            return
        self.expected = self.foreseen.markdown if self.foreseen is not None else ""

    def proposed(self, incident: Incident, tried: frozenset[Cause]) -> Proposal:
        """What is found of a failure, and what is proposed; causes `tried` before count as that."""
        recording, now, sightings = Recording(self.engine.hosts), self.engine.clock(), self._sightings(incident)

        def work() -> Proposal:
            return propose(
                recording,
                self.site,
                incident,
                now=now,
                sightings=sightings,
                tried=tried,
                tried_again=incident.reported_by == OURSELVES,
            )

        proposal = self.phase("read and plan", partial(self.watch, f"read and plan: {incident.title}", work))
        if incident.reported_by == OURSELVES and self.reported is not None:
            # The report tells of the failure that somebody had reported, whatever failed since.
            first = {name: getattr(self.reported, name) for name in _OF_ONE_FAILURE}
            proposal = replace(proposal, incident=proposal.incident.model_copy(update=first))
        proposal = self._with_elsewhere(self.with_override(proposal, proposal.plan), incident)
        self.proposal, self.considered = proposal, proposal.considered
        self.plan, self.retry = proposal.plan, proposal.retry
        self.title = proposal.incident.title
        if self.incident_id is not None:
            looked_at = [without_plan(each).model_dump(mode="json") for each in proposal.considered]
            self.ledger.note(self.run, "considered", {"incident": proposal.incident.to_json(), "causes": looked_at})
            if self.engine.keeps is not None and not self.kept_evidence():
                keep = partial(self._keep, self.engine.keeps / "evidence", recording, proposal, incident, now, sightings)
                self.phase("collect evidence", partial(self.watch, "collect evidence", keep))
        return proposal

    def with_override(self, proposal: Proposal, plan: Plan | None) -> Proposal:
        """The proposal, with what it means that its plan had been carried out and verified a short time ago."""
        return replace(proposal, override=self.engine.judging.override(self.run, plan)) if plan and plan.steps else proposal

    def _with_elsewhere(self, proposal: Proposal, incident: Incident) -> Proposal:
        """The proposal, with the other nodes that nothing keeps the virtual machine from.

        Where a move to any node failed at one, moving to another may need no mend at all: whoever would have to see to it by
        hand, or to approve one that stops what runs, is told. A small mend needs no such look: it costs less than the look.
        """
        found, plan = proposal.incident, proposal.plan
        home = self.site.cluster_of(found.source) if found.source else None
        if incident.destination or not found.vm or not found.source or home is None or len(home.nodes) < LEAST:
            return proposal
        small = plan is not None and stands(plan) is None and (plan.tier < Tier.WORKLOAD or not plan.steps)
        if small or proposal.over or proposal.gone:
            return proposal
        failed, cause, clock = found.destination, proposal.cause, self.engine.clock
        look = partial(elsewhere, self.engine.hosts, self.site, found.vm, found.source, failed, cause, clock)
        try:
            nodes = self.phase("read and plan", partial(self.watch, f"read: where else {found.vm} could go", look))
        except (RemotingError, TimeoutError, LookupError, ValueError) as error:
            log.warning("where else it could go is not known", run=self.run, error=repr(error))
            return proposal
        if not nodes:
            return proposal
        shown = f"remediate plan move-vm --vm {shlex.quote(found.vm)} --source {found.source} --to {nodes[0]}"
        more = f" and {len(nodes) - NAMED} more nodes" if len(nodes) > NAMED else ""
        which = f"{', '.join(nodes[:NAMED])}{more}"
        return replace(proposal, elsewhere=f"Nothing that was looked at keeps {found.vm} from {which} ({shown})")

    def _keep(  # noqa: PLR0917 - what a bundle is made of, once
        self,
        directory: Path,
        recording: Recording,
        proposal: Proposal,
        incident: Incident,
        now: datetime,
        sightings: Sequence[Sighting],
    ) -> None:
        """Keep what was read, and the rest of the guide's list, before anything is changed. Nothing here stops a run."""
        path = directory / f"{self.incident_id}-{now:%Y%m%d-%H%M%S}.zip"
        try:
            bundle = completed(recording, self.site, proposal, incident, now=now, sightings=sightings, hours=EVIDENCE_HOURS)
            kept = f"{path} (SHA-256 {bundle.write(path)})"
            forget(directory)
        except (OSError, RemotingError, TimeoutError) as error:
            log.warning("the evidence could not be kept", run=self.run, file=str(path), error=str(error))
            kept = f"could not be kept in {path} ({error})"
        self.ledger.note(self.run, "evidence", {"kept": kept})

    def _sightings(self, incident: Incident) -> list[Sighting]:
        since = self.engine.clock() - timedelta(hours=self.policy.waits.look_back_hours)
        found = (self.ledger.sightings(cause, incident.seen_on, since) for cause in Cause)
        return [each for each in found if each is not None and each.times >= self.policy.waits.times]

    def evidence_of(self, incident: Incident) -> Evidence:
        """What speaks for which cause, read now."""
        ours = incident.reported_by == OURSELVES
        return gather_evidence(self.engine.hosts, self.site, incident, now=self.engine.clock(), tried_again=ours)
