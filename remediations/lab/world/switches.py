"""Virtual switches of a host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from remediations.lab.world.directory import guid
from remediations.lab.world.network import Adapter

COMPUTE = "Compute"
"""The switch that every host of the lab has, and every virtual machine uses."""


@dataclass
class Switch:
    """One virtual switch."""

    name: str
    key: str
    """What its id is made of; a rename leaves it."""
    kind: str = "External"
    """External, Internal or Private."""
    uplinks: tuple[str, ...] = ("Slot 3 Port 1", "Slot 3 Port 2")
    """Physical adapters that it is bound to; none unless it is external."""
    embedded: bool = True
    """Whether its uplinks are a switch-embedded team (SET)."""
    linked: bool = True
    """Whether its uplinks have a link."""

    @property
    def id(self) -> UUID:
        """Its id."""
        return guid(f"switch {self.key}")


def uplinks(switches: Iterable[Switch]) -> list[Adapter]:
    """The physical adapters that switches are bound to; they have no address of their own."""
    linked = {name: each.linked for each in switches for name in each.uplinks}
    return [Adapter(name, index(name), "0.0.0.0/32", "Up" if on else "Disconnected") for name, on in sorted(linked.items())]


def index(uplink: str) -> int:
    """The interface index of a physical adapter: its slot and port."""
    return int("".join(each for each in uplink if each.isdigit()))


def standard(host: str) -> dict[str, Switch]:
    """The switches that a host of the lab begins with."""
    return {COMPUTE: Switch(COMPUTE, f"{host} {COMPUTE}")}
