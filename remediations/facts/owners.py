"""Who may own a clustered virtual machine, and whether its role is fit to be moved live."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import lacks_command, one, texts
from remediations.model.command import Command, command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName, same_host
from remediations.model.plan import Target
from remediations.model.reply import Reply


class PossibleOwners(Fact):
    """The nodes that may own one resource of a clustered virtual machine; `subject` is the resource's id."""

    name: str
    owners: frozenset[str]
    seen_from: str

    @property
    def target(self) -> Target:
        """The resource as a plan names it."""
        return Target(kind="cluster role", name=self.name, id=self.subject)

    def may_own(self, node: str) -> bool:
        """Whether a node is among them."""
        return any(same_host(each, node) for each in self.owners)


def resources_of(vm: VmName) -> tuple[str, str]:
    """Names of a virtual machine's two resources: its configuration, and itself. The cluster gives them in every language."""
    return f"Virtual Machine Configuration {vm}", f"Virtual Machine {vm}"


def possible_owners(resource: str, via: str) -> Query[PossibleOwners]:
    """Reads who may own a resource; `NotApplicable` if the cluster has none of this name."""
    reads = (command("Get-ClusterResource", Name=resource), command("Get-ClusterOwnerNode", Resource=resource))
    return Query(via, reads, partial(_owners, resource, via))


def set_owners(owners: PossibleOwners, nodes: Sequence[str]) -> Command:
    """Makes the whole list of a resource's possible owners this one."""
    return command("Set-ClusterOwnerNode", Resource=owners.name, Owners=sorted(nodes, key=str.casefold))


def _owners(resource: str, via: str, replies: Sequence[Reply]) -> PossibleOwners | NotApplicable:
    found, listed = replies
    if lacks_command(found):
        raise Unreadable(found.errors[0].message)
    absent = bool(found.errors) and all(error.category == "ObjectNotFound" for error in found.errors)
    if absent or (found.ok and not found.objects):
        return NotApplicable(reason=f"the cluster has no resource {resource}")
    record = one(found)
    owners = frozenset(texts(one(listed)["OwnerNodes"])) - {""}
    if not owners:
        raise Unreadable(f"no node is shown that may own {resource}, and one of them does")
    return PossibleOwners(subject=str(record["Id"]), name=str(record["Name"]), owners=owners, seen_from=via)
