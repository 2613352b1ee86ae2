"""Where a virtual machine of a request may be, and where it should be able to go."""

from __future__ import annotations

from remediations.model.incident import Incident
from remediations.model.names import same_host
from remediations.model.site import Site


def homes(host: str, site: Site) -> tuple[str, ...]:
    """The hosts that a virtual machine may be on by now: the one that is known, and the other nodes of its cluster."""
    first, cluster = site.host(host).name, site.cluster_of(host)
    return tuple(dict.fromkeys([first, *(cluster.nodes if cluster else ())]))


def ways(incident: Incident, site: Site) -> list[tuple[str, str, str]]:
    """Virtual machine, source and destination of an incident; every other node of the cluster where it names no destination."""
    vm, here = incident.vm, incident.source
    if vm is None or here is None:
        return []
    cluster = site.cluster_of(here)
    ends = (incident.destination,) if incident.destination else cluster.nodes if cluster else ()
    return [(vm, here, there) for there in ends if not same_host(here, there)]


def same_cluster(one: str, other: str, site: Site) -> str:
    """The name of the cluster that both hosts are nodes of; empty if there is none."""
    here, there = site.cluster_of(one), site.cluster_of(other)
    return here.name if here is not None and here is there else ""
