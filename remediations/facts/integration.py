"""Integration services of a guest, as its host sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from remediations.facts.query import Query
from remediations.facts.read import many
from remediations.facts.vm import the_only
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.reply import Reply

MISMATCH = "ProtocolMismatch"
"""VMIntegrationComponentOperationalStatus of a component whose version the host does not expect."""


class IntegrationServices(Fact):
    """A guest's integration services; `subject` is the virtual machine's id."""

    outdated: frozenset[str]
    """Names, in the host's language, of enabled ones that speak another protocol version than the host."""


def integration_services(name: VmName, host: str) -> Query[IntegrationServices]:
    """Reads a guest's integration services on one host; `NotApplicable` if that host has no such virtual machine."""
    reads = (command("Get-VM", Name=name), command("Get-VMIntegrationService", VMName=name))
    return Query(host, reads, partial(_services, name, host))


def integration_services_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[IntegrationServices]]:
    """Asks every host that may have the virtual machine."""
    return {host: integration_services(name, host) for host in hosts}


def _services(name: str, host: str, replies: Sequence[Reply]) -> IntegrationServices | NotApplicable:
    machine, services = replies
    record = the_only(name, host, machine)
    if isinstance(record, NotApplicable):
        return record
    outdated = {
        str(each["Name"])
        for each in many(services)
        if each.get("Enabled")
        and MISMATCH in (str(each.get(f"{which}OperationalStatus")) for which in ("Primary", "Secondary"))
    }
    return IntegrationServices(subject=str(record["Id"]), outdated=frozenset(outdated))
