"""What many repairs are asked about: one virtual machine, or one virtual machine and its way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field

from remediations.catalogue.places import ways
from remediations.catalogue.remediation import Repair
from remediations.model.incident import Incident
from remediations.model.names import HostName, VmName
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
    source: HostName = Field(description="The Hyper-V host that it is on")
    destination: HostName = Field(description="The Hyper-V host that it is to move to")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's ways: with any destination, every other node of the cluster is one."""
        return [cls(vm=vm, source=here, destination=there) for vm, here, there in ways(incident, site)]
