"""What is to be looked at ahead: which hosts, and which virtual machines are where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from remediations.facts.host import Guests
from remediations.facts.query import Query
from remediations.model.base import digest
from remediations.model.fact import NotApplicable
from remediations.model.names import VmName, same_name
from remediations.model.plan import Verdict
from remediations.model.readiness import Finding, Level, VmSeen
from remediations.model.site import Site

_VM_NAME: TypeAdapter[str] = TypeAdapter(VmName)


@dataclass(frozen=True)
class Scope:
    """What is to be looked at. Nothing named means all of the inventory."""

    hosts: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    vms: tuple[str, ...] = ()
    all_vms: bool = False
    across: bool = False
    """Also the ways into, out of and between clusters, which no clustered virtual machine can go live."""
    lenient: bool = False
    """Leave a virtual machine that no host lists out of the report: a cluster named it, and no person mistyped it."""

    def names(self, site: Site) -> tuple[str, ...]:
        """The hosts, in the inventory's order. Raises `LookupError` for a name that the inventory does not have."""
        wanted = {site.host(name).name for name in self.hosts}
        for name in self.clusters:
            wanted |= {site.host(node).name for node in site.cluster(name).nodes}
        found = tuple(host.name for host in site.hosts if host.name in wanted or not (self.hosts or self.clusters))
        if wanted - set(found):
            raise LookupError(f"{', '.join(sorted(wanted - set(found)))}: a domain controller has no virtual machines to move")
        return found


class Machines:
    """Which virtual machines are where, as the hosts listed them."""

    def __init__(self, site: Site, names: Sequence[str], listed: Mapping[str, Any], scope: Scope) -> None:
        """Raises `LookupError` for a virtual machine that no host lists, unless the scope is lenient."""
        self._site = site
        self._on = {host: seen.names for host, seen in listed.items() if isinstance(seen, Guests)}
        self.chosen: list[tuple[str, str]] = []
        self.unplaced: list[VmSeen] = []
        self.lost: list[Finding] = []
        if not listed:
            return
        unread = [host for host in names if host not in self._on]
        everything = [(vm, host) for host, theirs in self._on.items() for vm in dict.fromkeys(theirs)]
        wanted = everything if scope.all_vms else []
        for name in scope.vms:
            there = [each for each in everything if same_name(each[0], name)]
            if not there and not unread:
                if scope.lenient:
                    continue
                raise LookupError(f"no host of these has a virtual machine {name}: {', '.join(names)}")
            if not there:
                self._unplaced(name, unread[0], f"{name} is on no host that could be read; not read: {', '.join(unread)}")
            wanted += [each for each in there if each not in wanted]
        for vm, host in wanted:
            try:
                self.chosen.append((_VM_NAME.validate_python(vm), host))
            except ValidationError as error:
                self._unplaced(vm, host, str(error.errors()[0]["msg"]).removeprefix("Value error, "))

    def known_absent(self, queries: Iterable[Query[Any]]) -> dict[str, Any]:
        """Answers to what need not be asked: about a virtual machine, on a host that has listed all of its own without it."""
        found = {}
        for query in queries:
            named = {each.parameters.get("VMName") or each.parameters.get("Name") for each in query.commands}
            about = all(each.name.startswith("Get-VM") for each in query.commands) and len(named) == 1
            (name,) = named if about else (None,)
            listed = self._on.get(query.host)
            if isinstance(name, str) and listed is not None and not any(same_name(name, each) for each in listed):
                found[query.id] = NotApplicable(reason=f"{query.host} has no virtual machine {name}")
        return found

    def _unplaced(self, name: str, host: str, why: str) -> None:
        """A virtual machine of which nothing can be said."""
        finding = Finding(
            id=digest(["vm", name.casefold(), host.casefold()])[:12],
            level=Level.UNKNOWN,
            verdict=Verdict.UNKNOWN,
            remediation="",
            title=f"Virtual machine {name}",
            why=(why,),
        )
        self.lost.append(finding)
        self.unplaced.append(VmSeen(name=name, host=host, level=Level.UNKNOWN, findings=(finding.id,)))
