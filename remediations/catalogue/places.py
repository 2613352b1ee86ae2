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
    if incident.vm is None or incident.source is None:
        return []
    if incident.destination:
        return [(incident.vm, incident.source, incident.destination)]
    cluster = site.cluster_of(incident.source)
    others = [node for node in cluster.nodes if not same_host(node, incident.source)] if cluster else []
    return [(incident.vm, incident.source, end) for end in others]
