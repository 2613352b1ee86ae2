"""Applying, finishing and taking back plans under a lease; waiting; making a plan again on facts read anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from remediations.catalogue.remediation import Remediation
from remediations.engine.done import did
from remediations.engine.gather import facts_in, read_for
from remediations.engine.parts import UNDO, fold, parts_of, typed
from remediations.engine.ports import Clock, Hosts, Observe
from remediations.engine.sending import Applied, Overtaken, Stopped
from remediations.engine.undo import requests_under, takes_back, undo_plan
from remediations.engine.work import Work
from remediations.ledger import Ledger, Sealed
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan, Wait
from remediations.model.policy import Policy
from remediations.model.site import Site
from remediations.model.situation import Room
from remediations.model.tier import Tier


@dataclass
class Applier:
    """Applies plans. One instance a run; safe to make again after a crash, it goes on from the journal."""

    site: Site
    policy: Policy
    ledger: Ledger
    hosts: Hosts
    clock: Clock
    pause: Callable[[float], None]
    room: Callable[[Plan], Room]
    """Whether policy's caps leave room for a plan, asked in the transaction that begins it."""
    may_begin: Callable[[Sealed], None]
    """Raises `Refused` unless an approved plan may still begin, asked again where it had to wait first."""
    paused: Callable[[], str | None]
    """Why no step may be begun now, by a pause switch; None while none pauses."""
    publish: Callable[[], object]
    """Keeps the audit trail's head outside of the ledger: one that has forgotten what was sent is known by it."""
    observe: Observe
    evidence: Evidence = field(default_factory=Evidence)

    # ---- the whole ---------------------------------------------------------------------------------------------------

    def apply(self, run: str, sealed: Sealed) -> Applied:
        """Carry out a sealed plan whose approval was used. Raises `Refused` if it may not even begin (busy, window, caps)."""
        with self._leased(run, sealed) as work:
            try:
                return work.carry_out()
            except Overtaken:
                raise
            except BaseException:
                # Cancelled, or a defect of ours: a plan is carried out whole or taken back, while anyone is left to do it.
                with suppress(Refused):
                    work.give_up(Stopped("the run was ended"))
                raise

    def finish(self, run: str, sealed: Sealed, why: str) -> Applied:
        """Finish a plan of a run that is over: leave it if it was carried out whole, else close its brackets and undo it."""
        with self._leased(run, sealed) as work:
            return work.finish(why)

    def close(self, run: str, sealed: Sealed, why: str) -> list[str]:
        """Decide the steps and close the brackets that a run of this plan left; what could not be, in words."""
        with self._leased(run, sealed) as work:
            return [*work.decide(), *work.close_brackets(why)]

    def take_back(self, run: str, sealed: Sealed, why: str) -> Applied:
        """Undo what a run did of a plan, newest step first: only what the journal says we did and what is still so."""
        with self._leased(run, sealed) as work:
            return work.give_up(Stopped(why))

    @contextmanager
    def _leased(self, run: str, sealed: Sealed) -> Iterator[Work]:
        lease = self.ledger.lease(self.resources(sealed.plan), holder=run, seconds=self.policy.lease_seconds)
        work = Work(self, run, sealed, lease)
        try:
            yield work
        finally:
            # A ledger that cannot be written keeps the lease until it runs out.
            with suppress(Refused):
                self.ledger.release(work.lease)

    def wait_out(self, plan: Plan, wait: Wait) -> None:
        """Wait for a condition that comes by itself; nothing is changed, nothing is held. Raises `Refused` if it does not."""
        try:
            self.until(plan, wait, lambda: None)
        except Stopped as stop:
            raise Refused(Reason.GUARD_FAILED, stop.detail) from stop

    def until(self, plan: Plan, wait: Wait, keep: Callable[[], None]) -> bool:
        """Read the facts until `wait` is over, calling `keep` each time; whether there was anything to wait for.

        Raises `Stopped` if it stalls or takes too long.
        """
        end = self.clock() + timedelta(seconds=wait.at_most)
        last, moved, waited = "", self.clock(), False
        while True:
            facts = self.read(plan)
            if all(guard.holds(facts) for guard in wait.until):
                return waited
            stalled = [guard.text for guard in wait.stalls if guard.holds(facts)]
            if stalled:
                raise Stopped(f"{wait.why}: it stalled, {stalled[0]}", Reason.GUARD_FAILED)
            shown = "; ".join(guard.seen(facts) for guard in wait.until)
            if shown != last:
                last, moved = shown, self.clock()
            elif wait.patience and self.clock() - moved >= timedelta(seconds=wait.patience):
                raise Stopped(f"{wait.why}: nothing moved for {wait.patience:g} s ({shown})", Reason.GUARD_FAILED)
            if self.clock() >= end:
                raise Stopped(f"{wait.why}: not within {wait.at_most:g} s", Reason.GUARD_FAILED)
            keep()
            self.pause(wait.poll)
            waited = True

    def again(self, plan: Plan) -> Plan:
        """The plan made again, on facts read now: the same digest means no drift, verdict absent means mended."""
        if plan.remediation == UNDO:
            return self.undo(plan.request["run"]).model_copy(update={"attempt": plan.attempt})
        parts = parts_of(plan)
        fresh = fold(parts, read_for(self.hosts, self.site, self.evidence, parts))
        return fresh.model_copy(update={"attempt": plan.attempt})

    def undo(self, run: str) -> Plan:
        """What undoes a run, on facts read now. Raises `LookupError` for a remediation that is no longer there."""
        done = did(self.ledger, run)
        return undo_plan(run, done, self.ledger.open_brackets(run), self._read(typed(requests_under(done))))

    def undone(self, run: str, by: str) -> None:
        """Write into a run's journal which of its steps another run, its undo, took back."""
        back = [each for each in did(self.ledger, by) if each.stands]
        for each in did(self.ledger, run):
            sent = next((one.entry for one in back if takes_back(one.step, each.step)), None)
            if each.stands and sent is not None:
                digest, index, detail = each.plan.digest, each.entry.index, f"by run {by}"
                self.ledger.mark_undone(run, digest, index, sent.command_id, ok=True, detail=detail)

    def resources(self, plan: Plan) -> list[str]:
        """What must be ours alone while the plan runs: its hosts, its targets, and the cluster for disruptive changes."""
        found = {f"host:{step.host.casefold()}" for step in plan.steps}
        found |= {f"{step.target.kind}:{step.target.id.casefold()}" for step in plan.steps}
        if plan.tier >= Tier.WORKLOAD:
            clusters = (self.site.cluster_of(step.host) for step in plan.steps)
            found |= {f"cluster:{cluster.name.casefold()}" for cluster in clusters if cluster is not None}
        return sorted(found)

    def read(self, plan: Plan) -> dict[str, Fact]:
        """The facts that a plan stands on, read now, by key."""
        return self._read(parts_of(plan))

    def _read(self, parts: Sequence[Remediation]) -> dict[str, Fact]:
        found: dict[str, Fact] = {}
        for inputs in read_for(self.hosts, self.site, self.evidence, parts):
            found |= facts_in(inputs)
        return found
