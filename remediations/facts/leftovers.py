"""What a broken-off migration leaves behind: planned virtual machines, which Get-VM does not show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, asked_often
from remediations.facts.read import many
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.reply import Reply


class Planned(Fact):
    """The planned virtual machines of a host (`subject`): made for a migration that has not ended, or never did."""

    ids: frozenset[str]
    """Ids of the virtual machines that they stand for, lower case."""


@asked_often
def planned_machines(host: str) -> Query[Planned]:
    """Reads a host's planned virtual machines (Msvm_PlannedComputerSystem)."""
    read = command("Get-CimInstance", Namespace="root/virtualization/v2", ClassName="Msvm_PlannedComputerSystem")
    return Query(host, (read,), partial(_planned, host))


def _planned(host: str, replies: Sequence[Reply]) -> Planned:
    return Planned(subject=host, ids=frozenset(str(each["Name"]).casefold() for each in many(replies[0])))
