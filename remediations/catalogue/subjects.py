"""What repairs are asked about: a virtual machine, its way to another host, or two hosts whose machines move."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from remediations.catalogue.places import same_cluster, ways
from remediations.catalogue.remediation import Repair
from remediations.model.incident import Incident
from remediations.model.names import HostName, VmName, same_host
from remediations.model.site import Site


class OfMachine(Repair):
    """A repair of one virtual machine, wherever it is by now."""

    vm: VmName = Field(description="The virtual machine")
    source: HostName = Field(description="Host it is on, as far as known")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The virtual machine that would not move."""
        del site
        return [cls(vm=incident.vm, source=incident.source)] if incident.vm and incident.source else []


class OfWay(Repair):
    """A repair of what keeps one virtual machine from one destination."""

    vm: VmName = Field(description="The virtual machine")
    source: HostName = Field(description="The Hyper-V host that it is on, as far as known")
    destination: HostName = Field(description="The Hyper-V host that it is to move to")

    @model_validator(mode="after")
    def _two(self) -> Self:
        _differ(source=self.source, destination=self.destination)
        return self

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's ways: with any destination, every other node of the cluster is one."""
        return [cls(vm=vm, source=here, destination=there) for vm, here, there in ways(incident, site)]


class OfClusterWay(OfWay):
    """The same, where both hosts are nodes of one cluster."""

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's ways within a cluster."""
        return [each for each in super().for_incident(incident, site) if same_cluster(each.source, each.destination, site)]


class OfKnownWay(OfWay):
    """The same, where it is known which destination it failed to move to."""

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's way."""
        return super().for_incident(incident, site) if incident.destination else []


class OfHosts(Repair):
    """A repair of what two hosts have to agree on, whichever virtual machine moves from the one to the other."""

    source: HostName = Field(description="The Hyper-V host that virtual machines move away from")
    destination: HostName = Field(description="The Hyper-V host that they move to")

    @model_validator(mode="after")
    def _two(self) -> Self:
        _differ(source=self.source, destination=self.destination)
        return self

    @property
    def summary(self) -> str:
        """In which direction."""
        return f"{self.title}: {self.source} → {self.destination}"

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The way of the move."""
        del site
        ends = two_ends(incident)
        return [cls(source=ends[0], destination=ends[1])] if ends else []


class OfPeer(Repair):
    """A repair of one host, for the sake of its peer in a migration. Which of the two is the source, each says itself."""

    host: HostName = Field(description="The Hyper-V host that is looked at")
    peer: HostName = Field(description="The other host of the migration")

    @model_validator(mode="after")
    def _two(self) -> Self:
        _differ(host=self.host, peer=self.peer)
        return self

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The source, for the sake of the destination."""
        del site
        ends = two_ends(incident)
        return [cls(host=ends[0], peer=ends[1])] if ends else []


def two_ends(incident: Incident) -> tuple[str, str] | None:
    """The source and the destination of an incident that names two hosts."""
    here, there = incident.source, incident.destination
    return None if here is None or there is None or same_host(here, there) else (here, there)


def _differ(**ends: str) -> None:
    (first, one), (second, other) = ends.items()
    if same_host(one, other):
        raise ValueError(f"{second}: {other} is the {first} itself; name the other host of the migration")
