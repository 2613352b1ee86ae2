"""The lab as one thing: the simulated domain, its hosts as real endpoints on loopback, and the site that reaches them."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from remediations.lab.protocol import FaultPlan, Journal, LabServer, Requests
from remediations.lab.site_file import site_text
from remediations.lab.world.contoso import OPERATOR
from remediations.lab.world.events import Event
from remediations.lab.world.faults import FAULTS
from remediations.lab.world.handlers import PLAIN, surfaces
from remediations.lab.world.hosts import Module
from remediations.lab.world.migration import Migration
from remediations.lab.world.world import World
from remediations.model.site import Authentication, Cluster, Endpoint, Expectation, Host, SecondHop, SecretRef, Site

_MODULE = Path("HyperVRemediation", "HyperVRemediation.psm1")
_FAILED = 21024
_OF_MIGRATIONS, _OF_DRAINS = frozenset({21501, 21502, 20406}), frozenset({1677})
"""Events that monitoring would be set up for."""


@dataclass(frozen=True)
class Failure:
    """What an alert about a failed migration or drain would carry."""

    cause: str
    vm: str
    """Empty for a drain."""
    node: str
    """The node that was drained; empty for a migration."""
    source: str
    destination: str
    cluster: str
    """Empty for standalone hosts."""
    event_id: int
    channel: str
    provider: str
    message: str
    time: datetime


def shipped_module() -> Module:
    """The module that this package ships, as a host would have it. Raises `FileNotFoundError` if it is not there."""
    inside = files("remediations") / "_configs"
    folder = Path(str(inside)) if inside.is_dir() else Path(__file__).parents[2] / "configs"
    return Module("1.0.0", hashlib.sha256((folder / _MODULE).read_bytes()).hexdigest().upper())


class Lab:
    """A running lab, as a context manager.

    `world`: contoso.com with the shipped module on every host, if none is given. `operator`: the account that the site
    connects as. `configuration`: the session configuration that the site names, plain or `Remediation` (JEA). What second hop
    a host's endpoint has, the world says (`world.second_hops`). `round_trip`: seconds that every answer takes longer.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        operator: str = OPERATOR,
        configuration: str = PLAIN,
        round_trip: float = 0,
    ) -> None:
        self.world = world or World.contoso(module=shipped_module())
        self.operator, self.configuration = operator, configuration
        self.password = secrets.token_urlsafe(18)
        versions = {host.name: f"5.1.{host.edition.build}.{host.edition.revision}" for host in self.world.hosts.values()}
        self.server = LabServer(
            surfaces(self.world),
            {operator: self.password},
            domain=self.world.directory.domain,
            powershell=versions,
            round_trip=round_trip,
        )
        self._open = ExitStack()
        self._directory: Path | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._directory = Path(opening.enter_context(tempfile.TemporaryDirectory(prefix="lab-site-")))
            self.password_file.touch(0o600)
            self.password_file.write_text(f"{self.password}\n", "utf-8")
            opening.enter_context(self.server)
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)
        self._directory = None

    # --- the site -------------------------------------------------------------------------------------------------------

    @property
    def password_file(self) -> Path:
        """Holds the operator's password in its first line; gone when the lab ends."""
        if self._directory is None:
            raise RuntimeError("the lab has not been started")
        return self._directory / "password"

    def site(self) -> Site:
        """The inventory that reaches this lab."""
        world = self.world
        cluster = world.cluster
        expected = {"storage_migrations": 2, "authentication": "Kerberos", "performance": "Compression"}
        return Site(
            domain=world.directory.domain,
            hosts=tuple(
                Host(
                    name=host.name,
                    endpoint=self.endpoint(host.name),
                    expect=Expectation()
                    if world.cluster_of(host.name)
                    else Expectation.model_validate(
                        {"simultaneous_migrations": 2, "migration_networks": ["10.0.20.0/24"], **expected}
                    ),
                )
                for host in world.hosts.values()
            ),
            clusters=(
                Cluster(
                    name=cluster.name,
                    nodes=tuple(cluster.nodes),
                    expect=Expectation.model_validate(
                        {
                            "simultaneous_migrations": 4,
                            "possible_owners": list(cluster.nodes),
                            "switches": {"Compute": "External"},
                            **expected,
                        }
                    ),
                ),
            )
            if cluster
            else (),
            controllers=tuple(Host(name=name, endpoint=self.endpoint(name)) for name in world.directory.controllers),
        )

    def write_site(self, path: Path) -> Path:
        """Write `site` as the commented file that a person would keep. Gives the path back."""
        path.write_text(site_text(self.site()), "utf-8")
        return path

    def endpoint(self, computer: str) -> Endpoint:
        """How a computer of the lab is reached. Raises `KeyError` for one that it does not have."""
        address = self.server.address(computer)
        return Endpoint(
            address=address.ip,
            port=address.https_port,
            authentication=Authentication.NEGOTIATE,
            username=self.operator,
            password=SecretRef(file=self.password_file),
            authority=self.server.authority,
            configuration=self.configuration,
            second_hop=SecondHop(self.world.second_hops.get(computer, "none")),
        )

    # --- what happens in it ---------------------------------------------------------------------------------------------

    def inject(self, cause: str) -> None:
        """Break what makes moves fail of a cause. Raises `LookupError` for a cause that the lab cannot break."""
        if cause not in FAULTS:
            raise LookupError(f"the lab has no fault {cause!r}; it has {', '.join(FAULTS)}")
        with self.world.lock:
            self.world.settle()
            FAULTS[cause].inject(self.world)

    def move(self, vm: str, destination: str, *, elsewhere: bool = False) -> Migration:
        """Move a virtual machine as an administrator would, at its host or from `elsewhere`; wait until that is over."""
        move = self.world.move(vm, destination, elsewhere=elsewhere)
        self.world.wait(lambda: move.over)
        return move

    def fail(self, cause: str) -> Failure:
        """Inject a cause, and let a migration (or a drain) fail of it. Raises `RuntimeError` if nothing failed."""
        self.inject(cause)
        fault = FAULTS[cause]
        if fault.vm:
            move = self.move(fault.vm, fault.destination, elsewhere=fault.elsewhere)
            if move.refusal is None:
                raise RuntimeError(f"{fault.vm} moved to {fault.destination} in spite of {cause}")
        source = self.world.host(fault.source)
        event = _told(source.log.events, drain=not fault.vm)
        cluster = self.world.cluster_of(source.name)
        return Failure(
            cause=cause,
            vm=fault.vm,
            node=fault.node,
            source=fault.source,
            destination=fault.destination if fault.vm else "",
            cluster=cluster.name if cluster else "",
            event_id=event.kind.id,
            channel=event.kind.channel,
            provider=event.kind.provider,
            message=event.text(source.culture),
            time=event.time,
        )

    @property
    def journal(self) -> Journal:
        """Every command that came, and what became of it."""
        return self.server.journal

    @property
    def requests(self) -> Requests:
        """How many HTTP requests came."""
        return self.server.requests

    @property
    def protocol_faults(self) -> FaultPlan:
        """What is to go wrong on the wire."""
        return self.server.faults

    def state(self) -> Mapping[str, Any]:
        """Configuration and placement of the world, as plain JSON."""
        return self.world.state()


def _told(events: list[Event], *, drain: bool) -> Event:
    found = [event for event in events if event.kind.id in (_OF_DRAINS if drain else _OF_MIGRATIONS)]
    # Where the reason stands only in the destination's log, monitoring at the source sees no more than that it failed.
    found = found or [event for event in events if event.kind.id == _FAILED]
    if not found:
        raise RuntimeError("the lab's fault left no event that tells of it")
    return found[-1]
