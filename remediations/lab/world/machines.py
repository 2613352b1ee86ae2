"""Virtual machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from remediations.lab.world.directory import guid
from remediations.lab.world.hosts import BASELINE, GIB, Cpu


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint."""

    name: str
    created: datetime
    kind: str = "Standard"
    folder: str = ""
    """Where its differencing disk lies; empty for the virtual machine's own folder."""
    missing: bool = False
    """Its differencing disk is gone."""


@dataclass(frozen=True)
class Disk:
    """A hard disk that a virtual machine has attached."""

    path: str
    shared: bool = False
    """Attached with persistent reservations, or a VHD set: other virtual machines have it too."""
    number: int | None = None
    """Of a disk of the host that is passed through."""


@dataclass
class Machine:
    """One virtual machine."""

    name: str
    host: str
    """Short name of the host that it is registered on."""
    path: str
    state: str = "Running"
    """Running, Off, Saved, Paused, Starting, Stopping."""
    version: str = "9.0"
    processors: int = 4
    memory: int = 8 * GIB
    generation: int = 2
    compatible: bool = False
    """CompatibilityForMigrationEnabled, as set."""
    features: frozenset[str] = frozenset()
    """Processor features that it was started with, and keeps until it is off; empty while it is off."""
    vendor: str = ""
    """Vendor of the processor that it was started on."""
    switch: str = "Compute"
    """Name of the virtual switch that its network adapter is connected to; empty for none."""
    unreadable: bool = False
    """Its saved state cannot be read: it will not start from there."""
    owner: tuple[str, ...] = ()
    """Thumbprints of its key protector's owner, the signing and the encryption certificate; none without a virtual TPM."""
    busy: str = ""
    """What holds it: `BackingUp`, or nothing."""
    held_by: str = ""
    """Name of the service that holds it while it is backed up."""
    hangs: bool = False
    """Its guest does not react to a shutdown."""
    started: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    created: datetime = field(default_factory=lambda: datetime(2025, 6, 1, 9, tzinfo=UTC))
    snapshots: list[Snapshot] = field(default_factory=list)
    disks: list[Disk] = field(default_factory=list)
    """Hard disks beside the first, which is in `path`."""
    outdated: str = ""
    """Name of the integration service that is too old for its hosts, if one is."""
    media: dict[tuple[int, int], str] = field(default_factory=dict)
    """What stands in its DVD drives: controller and location → path. Drive 0 at location 1 is always there."""
    replication: str = "None"
    """What Hyper-V Replica makes of it: `None`, `Primary`, or `Replica` for what another host's is copied to."""
    guid: UUID | None = None

    @property
    def id(self) -> UUID:
        """Its id."""
        return self.guid or guid(f"vm {self.name}")

    @property
    def chain(self) -> list[tuple[str, bool]]:
        """The files of its first disk, from the one in use down: path, and whether it can be read."""
        above = [
            (f"{each.folder or self.path}\\{self.name}_{number}.avhdx", not each.missing)
            for number, each in enumerate(self.snapshots, 1)
        ]
        return [*reversed(above), (f"{self.path}\\Virtual Hard Disks\\{self.name}.vhdx", True)]

    @property
    def drives(self) -> dict[tuple[int, int], str]:
        """Its DVD drives, empty ones too."""
        return {(0, 1): "", **self.media}

    @property
    def running(self) -> bool:
        """Whether it holds memory and a processor."""
        return self.state in ("Running", "Paused")

    def power_on(self, cpu: Cpu, now: datetime) -> None:
        """It starts on this processor and sees what that has, or only what all have."""
        self.state, self.started, self.vendor = "Running", now, cpu.vendor
        self.features = (BASELINE & cpu.features) if self.compatible else cpu.features

    def restore(self, now: datetime) -> None:
        """It goes on from its saved state, with the processor features that it had."""
        self.state, self.started = "Running", now

    def power_off(self) -> None:
        """It is off."""
        self.state, self.features, self.vendor, self.unreadable = "Off", frozenset(), "", False
