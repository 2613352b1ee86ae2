"""Take out of a virtual machine's DVD drives what the destination cannot open.

An image on a disk of the source alone cannot be opened at the destination (0x80070003, 0xC03A0014), nor can the source's own
DVD drive. A medium that is attached is a normal state: without evidence only a path that is local to the host counts. It can
be taken out while the virtual machine runs; the drive stays, and undo puts the same path back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfMachine
from remediations.facts.media import Drive, Media, media_on
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import Command, command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Test, changes, guard
from remediations.model.plan import Item, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class EjectMedia(OfMachine):
    """Take a medium out of a DVD drive, running or not. The drive itself stays."""

    id: ClassVar[str] = "eject-media"
    title: ClassVar[str] = "Eject a DVD or ISO"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.DVD_OR_ISO_ATTACHED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-VMDvdDrive"})

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine and its drives, wherever it is by now."""
        hosts = homes(self.source, site)
        given = {"suspected": evidence.points_to(Cause.DVD_OR_ISO_ATTACHED)}
        return Reads(given, machine=virtual_machine_on(self.vm, hosts), loaded=media_on(self.vm, hosts))

    def plan(self, *, suspected: bool, machine: Machine, loaded: Media) -> Iterator[Item]:
        """One item a medium."""
        if not loaded.drives:
            yield Satisfied(why=f"no DVD drive of {machine.name} holds anything")
        for drive in loaded.drives:
            if not drive.local and not suspected:
                yield Satisfied(why=f"{drive.path} is attached, is on shared storage, and nothing points to it")
                continue
            left = loaded.without(drive)
            others = f"drives of {machine.name} hold other media than when {drive.path} was taken out"
            yield Step(
                target=machine.target,
                host=machine.host,
                command=_put(machine, drive, None),
                why=f"{drive.path} {_reason(machine, drive)}. If the guest reads from it just now, that ends",
                changes=changes(loaded, left),
                undo=_put(machine, drive, drive.path),
                guards=(guard(machine, "host", Test.EQUALS, machine.host),),
                # What somebody put into the drive since would be taken out by it.
                undo_guards=(guard(left, "loaded", Test.EQUALS, left.to_json()["loaded"], others),),
            )
            loaded = left


def _reason(machine: Machine, drive: Drive) -> str:
    if drive.local:
        return f"means a disk of {machine.host} itself: no other host can open it"
    return "is attached, and the reported failure says that the destination could not open it"


def _put(machine: Machine, drive: Drive, path: str | None) -> Command:
    where = {"ControllerNumber": drive.controller, "ControllerLocation": drive.location}
    return command("Set-VMDvdDrive", VMName=machine.name, **where, Path=path)
