"""Hyper-V hosts: edition, processor, migration settings, tickets, event log, our module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

from remediations.lab.world.certificates import Certificate
from remediations.lab.world.directory import guid
from remediations.lab.world.events import EventLog
from remediations.lab.world.network import Network
from remediations.lab.world.switches import Switch
from remediations.lab.world.tickets import TicketCache

GIB = 1024**3


@dataclass(frozen=True)
class Edition:
    """A release of Windows Server."""

    year: int
    build: int
    revision: int
    versions: tuple[str, ...]
    """Configuration versions that it runs, oldest first (Upgrade-virtual-machine-version, Microsoft)."""

    @property
    def caption(self) -> str:
        """Its name."""
        return f"Microsoft Windows Server {self.year} Datacenter"


_VERSIONS = ("5.0", "6.2", "7.0", "7.1", "8.0", "8.1", "8.2", "8.3", "9.0")
EDITIONS: Mapping[int, Edition] = {
    2019: Edition(2019, 17763, 6532, _VERSIONS),
    2022: Edition(2022, 20348, 2849, ("8.0", "8.1", "8.2", "8.3", "9.0", "9.1", "9.2", "9.3", "10.0")),
    2025: Edition(2025, 26100, 2605, ("8.0", "8.1", "8.2", "8.3", "9.0", "9.1", "9.2", "9.3", "10.0", "11.0", "12.0")),
}

SPECULATION = frozenset({"ibrs", "stibp", "ssbd"})
"""Speculation control: a host offers it if its microcode has it and its settings let Windows use it."""
BASELINE = frozenset({"sse", "sse2", "sse3", "cx16", "lahf", "nx", "md-clear"}) | SPECULATION
"""What a virtual machine sees that was started with compatibility on: that hides no mitigation from it."""

_HASWELL = BASELINE | {"ssse3", "sse4.1", "sse4.2", "popcnt", "aes", "avx", "avx2", "bmi1", "bmi2", "fma", "rdrand"}
_CASCADE_LAKE = _HASWELL | {"adx", "clflushopt", "mpx", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd", "pku"}


@dataclass(frozen=True)
class Cpu:
    """A host's processor: what WMI says of it, and what it can do."""

    vendor: str
    name: str
    model: int
    stepping: int
    sockets: int
    cores: int
    mhz: int
    features: frozenset[str]
    microcode: int
    """Revision of its microcode; an older one may lack features that a newer one has."""

    @property
    def caption(self) -> str:
        """As Win32_Processor shows it."""
        family = "Intel64" if self.vendor == "GenuineIntel" else "AMD64"
        return f"{family} Family 6 Model {self.model} Stepping {self.stepping}"


CASCADE_LAKE = Cpu(
    "GenuineIntel", "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", 85, 7, 2, 20, 2095, frozenset(_CASCADE_LAKE), 0x05003707
)
OLD_MICROCODE = replace(CASCADE_LAKE, features=frozenset(_CASCADE_LAKE) - {"md-clear"}, microcode=0x05000021)
"""The same processor with microcode from before the mitigation of MDS."""
HASWELL = Cpu("GenuineIntel", "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz", 63, 2, 2, 12, 2494, frozenset(_HASWELL), 0x49)
EPYC = Cpu(
    "AuthenticAMD", "AMD EPYC 7413 24-Core Processor", 1, 1, 2, 24, 2650, frozenset(_HASWELL | {"sse4a", "xop"}), 0x0A0011D5
)


@dataclass
class MigrationSettings:
    """What `Get-VMHost` shows of live migration."""

    enabled: bool = True
    authentication: str = "Kerberos"
    performance: str = "Compression"
    maximum: int = 2
    """Simultaneous migrations as set on this host; on a cluster's node the cluster's own limit wins."""
    storage_maximum: int = 2
    any_network: bool = True


@dataclass(frozen=True)
class Module:
    """Our PowerShell module as it is installed on a host."""

    version: str
    hash: str
    """SHA-256 of the .psm1, 64 upper-case hexadecimal characters, as Get-FileHash gives it."""


OLD_MODULE = Module("0.9.0", "9D" * 32)
"""An earlier release of it."""


@dataclass(frozen=True)
class Bios:
    """A host's firmware, as Win32_BIOS shows it."""

    major: int
    minor: int
    released: date
    family: str = "U30"


@dataclass
class StorageJob:
    """A job of the storage subsystem."""

    name: str
    state: str
    percent: int


@dataclass
class Host:
    """One Hyper-V host."""

    name: str
    domain: str
    edition: Edition
    cpu: Cpu
    controller: str
    """Short name of the domain controller that it talks to."""
    culture: str = "en-US"
    offset: timedelta = timedelta(hours=-5)
    memory: int = 512 * GIB
    booted: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    migration: MigrationSettings = field(default_factory=MigrationSettings)
    tickets: TicketCache = field(default_factory=TicketCache)
    log: EventLog = field(default_factory=EventLog)
    module: Module | None = None
    tls: frozenset[str] = frozenset({"1.2"})
    """Versions of TLS that CredSSP may use."""
    secure_channel: bool = True
    """Whether its machine account's password is the one that the domain knows."""
    skew: timedelta = timedelta()
    """How far its clock is ahead of the domain's."""
    logon_as_service: tuple[str, ...] | None = None
    """Accounts to which a group policy object gives the right to log on as a service; None: no object says."""
    registry_pol_corrupt: bool = False
    """Whether it cannot read its registry policy any more."""
    credential_guard: bool = False
    """Whether Credential Guard runs: on by default from Windows Server 2025, where the hardware allows it."""
    cluster_tools: bool = False
    """Whether the FailoverClusters module is installed (on a node it always is)."""
    storage_jobs: list[StorageJob] = field(default_factory=list)
    network: Network = field(default_factory=Network)
    switches: dict[str, Switch] = field(default_factory=dict)
    """Virtual switches by name."""
    shielded: dict[str, Certificate] = field(default_factory=dict)
    """Shielded VM Local Certificates, by thumbprint."""
    planned: set[UUID] = field(default_factory=set)
    """Ids of virtual machines of which a failed migration left a planned one here."""
    intents: dict[str, tuple[str, ...]] | None = None
    """Network ATC's intents and their adapters; None where the feature is not installed."""
    writer: int = 1
    """State of Hyper-V's VSS writer (VSS_WRITER_STATE): 1 stable, 5 waiting for a backup's completion, 9 failed at freeze."""
    services: dict[str, str] = field(default_factory=dict)
    """Further Windows services by name, and their state: Running or Stopped."""
    joined: bool = True
    """Whether it belongs to the domain."""
    bios: Bios = Bios(2, 90, date(2023, 8, 9))
    mitigated: bool = True
    """Whether Windows' settings (FeatureSettingsOverride) let it use speculation control."""
    speculation_module: bool = True
    """Whether the module SpeculationControl of the PowerShell Gallery is installed."""

    @property
    def fqdn(self) -> str:
        """Its full name, as its account's dNSHostName."""
        return f"{self.name}.{self.domain}".lower()

    @property
    def offers(self) -> Cpu:
        """Its processor as virtual machines get it."""
        return self.cpu if self.mitigated else replace(self.cpu, features=self.cpu.features - SPECULATION)

    @property
    def runs_machines(self) -> bool:
        """Whether virtual machines' own account may log on as a service."""
        return self.logon_as_service is None or any("S-1-5-83-0" in each for each in self.logon_as_service)

    @property
    def zone(self) -> timezone:
        """Its time zone."""
        return timezone(self.offset)

    @property
    def id(self) -> UUID:
        """Its machine id."""
        return guid(f"host {self.name}")
