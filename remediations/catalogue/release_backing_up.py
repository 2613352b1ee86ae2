"""Get a virtual machine out of a backup that does not end, with the least harm first.

A backup that runs is none of our business: it is waited for. One that has lasted for more than an hour (the threshold that
people use in the field), or that is found again and again, is stuck; so is one without a checkpoint whose snapshot failed, as
Hyper-V's VSS writer tells. (That alone says nothing: a writer stays failed until the next backup.) Then the backup program's
service is restarted, and where none runs on the host, the Virtual Machine Management service, which ends migrations and
backups but no virtual machine; it is the writer's own service, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, Seen
from remediations.catalogue.subjects import OfMachine
from remediations.facts.backup import SERVICES, BackupHold, backup_hold_on
from remediations.facts.host import HostLoad, Residents, host_load, residents
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.facts.writers import Writer, writer_on
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Guard, Test, changes, guard
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step, Wait
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

_PHASES = {"working": "at it", "failed": "failed"}
STUCK = 60
"""Minutes after which a backup counts as stuck."""
RELEASE_TIME = 180.0
"""Seconds within which a virtual machine is free once the service is back."""


class ReleaseBackingUp(OfMachine):
    """Wait for a backup; restart what holds the virtual machine where it does not end."""

    id: ClassVar[str] = "release-backing-up"
    title: ClassVar[str] = "Release a virtual machine from a stuck backup"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.BACKING_UP_STUCK, Cause.VM_IN_USE_OR_BUSY)
    proof: ClassVar[Proof] = Proof.EPISODE
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED  # a service that was restarted runs, as before
    sends: ClassVar[frozenset[str]] = frozenset({"Restart-Service"})

    management: bool = Field(
        default=False, description="Restart Hyper-V's management service, after restarting the backup program's did not help"
    )

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Who holds the virtual machine, and what else its host has under way."""
        hosts = homes(self.source, site)
        often = any(seen.cause is Cause.BACKING_UP_STUCK for seen in evidence.sightings)
        return Reads(
            {"often": often},
            machine=virtual_machine_on(self.vm, hosts),
            hold=backup_hold_on(self.vm, hosts),
            loads={host: host_load(host) for host in hosts},
            guests={host: residents(host) for host in hosts},
            writers=writer_on(hosts),
        )

    def plan(
        self,
        *,
        often: bool,
        machine: Machine,
        hold: BackupHold,
        loads: Mapping[str, Seen],
        guests: Mapping[str, Seen],
        writers: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """One item."""
        seen = writers.get(machine.host)
        writer = seen if isinstance(seen, Writer) else None
        failed = writer is not None and writer.phase == "failed" and hold.minutes is None
        age = "" if hold.minutes is None else f", for {hold.minutes} minutes"
        if writer is not None and writer.phase != "stable":
            age += f" (Hyper-V's VSS writer is {_PHASES[writer.phase]}, state {writer.state})"
        if not hold.held:
            yield Satisfied(why=f"no backup holds {machine.name}")
        elif not often and not failed and (hold.minutes is None or hold.minutes < STUCK):
            yield Wait(
                until=(guard(hold, "held", Test.EQUALS, False),),
                poll=30,
                at_most=STUCK * 60.0,
                why=f"a backup holds {machine.name} on {machine.host}{age}: it has to end first",
            )
        elif len(hold.services) > 1 and not self.management:
            named = ", ".join(f"{each} ({SERVICES[each]})" for each in sorted(hold.services))
            yield Manual(
                why=f"a backup holds {machine.name}{age}, and several backup programs run on {machine.host}: {named}",
                instructions=(
                    "End the backup in the program that runs it; else restart its service: Restart-Service -Name 'ITS NAME'",
                ),
            )
        elif hold.services and not self.management:
            (service,) = hold.services
            why = f"a backup holds {machine.name}{age}; {SERVICES[service]} ({service}) runs on {machine.host}. Its backups end"
            yield _restart(hold, service, why, _still_failed(hold, writer))
        else:
            only = _still_failed(hold, writer)
            yield from self._management(machine, hold, age, loads.get(machine.host), guests.get(machine.host), only)

    def _management(  # noqa: PLR0917 - what is known of the host
        self,
        machine: Machine,
        hold: BackupHold,
        age: str,
        load: Seen | None,
        guests: Seen | None,
        still: tuple[Guard, ...],
    ) -> Iterator[Item]:
        """Hyper-V's own service, where that ends nothing else."""
        if not isinstance(load, HostLoad) or not isinstance(guests, Residents):
            why = (
                f"what else {machine.host} has under way could not be read: its management service is not restarted on a guess"
            )
            yield Blocked(obstacle=Obstacle.UNKNOWN, why=why)
            return
        only = (
            *still,
            guard(load, "migrating", Test.EQUALS, 0, "no migration would be ended"),
            guard(load, "storage_migrating", Test.EQUALS, 0, "no storage migration would be ended"),
            guard(guests, "busy", Test.EQUALS, [machine.name], "nothing else on the host is held"),
        )
        blame = "restarting the backup program's service" if self.management else "any backup program that is known here"
        why = f"a backup holds {machine.name}{age}, without {blame} to end it: Hyper-V's own service is next"
        yield _restart(hold, "vmms", why, only)


def _still_failed(hold: BackupHold, writer: Writer | None) -> tuple[Guard, ...]:
    """Where a failed writer is why nobody waits any longer, it has to be one still, and no checkpoint may have come."""
    if writer is None or writer.phase != "failed" or hold.minutes is not None:
        return ()
    return (
        guard(hold, "minutes", Test.EQUALS, None, "no checkpoint of a backup has come meanwhile"),
        guard(writer, "phase", Test.EQUALS, "failed", "the snapshot has not been tried again meanwhile"),
    )


def _restart(hold: BackupHold, service: str, why: str, only: tuple[Guard, ...]) -> Step:
    stuck = () if hold.minutes is None or hold.minutes < STUCK else (guard(hold, "minutes", Test.AT_LEAST, STUCK),)
    return Step(
        target=hold.target,
        host=hold.host,
        command=command("Restart-Service", Name=service),
        why=why,
        changes=changes(hold, hold.model_copy(update={"held": False})),
        guards=(*only, *stuck),
        settles=RELEASE_TIME,
        deadline=300,
    )
