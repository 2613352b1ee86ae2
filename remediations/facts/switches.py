"""Virtual switches: what a host has, and which of them a virtual machine uses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import is_absent, lacks_command, many, texts
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, Guard, NotApplicable, Test
from remediations.model.names import VmName, same_name
from remediations.model.plan import Target
from remediations.model.reply import Record, Reply

Teaming = Literal["SET", "LBFO", "none"]

_LBFO = "Microsoft Network Adapter Multiplexor Driver"
"""Interface description of a team made by New-NetLbfoTeam, in every language."""

_LINKED = frozenset({"Up"})


class Switch(Frozen):
    """One virtual switch."""

    name: str
    kind: str
    """External, Internal or Private."""
    teaming: Teaming
    uplinks: frozenset[str]
    """Interface descriptions of the adapters that it is bound to."""


class HostSwitches(Fact):
    """The virtual switches of a host (`subject`)."""

    switches: frozenset[Switch]
    down: frozenset[str]
    """Interface descriptions of adapters that have no link, or are disabled or gone."""
    doubled: frozenset[str]
    """Names that more than one switch has: Hyper-V's commands go by name, and would take all of them."""

    def named(self, name: str) -> Switch | None:
        """The switch of this name, without case."""
        return next((each for each in self.switches if same_name(each.name, name)), None)

    def disconnected(self, switch: Switch) -> bool:
        """Whether none of a switch's adapters carries traffic."""
        return switch.kind == "External" and switch.uplinks <= self.down

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())


class Connections(Fact):
    """The switches that a virtual machine's adapters are connected to; `subject` is the virtual machine's id."""

    name: str
    host: str
    switches: frozenset[str]


class SwitchUse(Fact):
    """Which virtual switches of a host (`subject`) its virtual machines are connected to."""

    volatile: ClassVar[frozenset[str]] = frozenset({"used"})

    used: frozenset[str]


@asked_often
def host_switches(host: str) -> Query[HostSwitches]:
    """Reads a host's switches, and which physical adapters have no link."""
    return Query(host, (command("Get-VMSwitch"), command("Get-NetAdapter")), partial(_switches, host))


@asked_often
def switch_use(host: str) -> Query[SwitchUse]:
    """Reads what all virtual machines of a host are connected to."""
    return Query(host, (command("Get-VMNetworkAdapter", All=True),), partial(_use, host))


def unused(host: str, switch: str) -> Guard:
    """That no virtual machine of a host is connected to a switch."""
    why = f"a virtual machine of {host} is connected to {switch}"
    return Guard(fact=f"{SwitchUse.__name__}:{host.casefold()}", field="used", test=Test.LACKS, bound=switch, why=why)


def connections(vm: VmName, host: str) -> Query[Connections]:
    """Reads what a virtual machine is connected to; `NotApplicable` on a host without it, or if it has no adapter."""
    return Query(host, (command("Get-VMNetworkAdapter", VMName=vm),), partial(_connections, vm, host))


def _switches(host: str, replies: Sequence[Reply]) -> HostSwitches:
    if lacks_command(replies[0]):
        raise Unreadable(f"{host} does not offer Hyper-V's cmdlets: {replies[0].errors[0].message}")
    found = many(replies[0])
    names = [str(each["Name"]).casefold() for each in found]
    adapters = {str(each["InterfaceDescription"]): str(each["Status"]) for each in many(replies[1])}
    bound = {uplink for each in found for uplink in _uplinks(each)}
    return HostSwitches(
        subject=host,
        switches=frozenset(
            Switch(
                name=str(each["Name"]), kind=str(each["SwitchType"]), teaming=_teaming(each), uplinks=frozenset(_uplinks(each))
            )
            for each in found
        ),
        down=frozenset(each for each in bound if adapters.get(each) not in _LINKED),
        doubled=frozenset(str(each["Name"]) for each in found if names.count(str(each["Name"]).casefold()) > 1),
    )


def _use(host: str, replies: Sequence[Reply]) -> SwitchUse:
    if lacks_command(replies[0]):
        raise Unreadable(f"{host} does not offer Hyper-V's cmdlets: {replies[0].errors[0].message}")
    used = (str(each["SwitchName"]) for each in many(replies[0]) if each.get("SwitchName") and not each.get("IsManagementOs"))
    return SwitchUse(subject=host, used=frozenset(used))


def _uplinks(record: Record) -> tuple[str, ...]:
    several = texts(record.get("NetAdapterInterfaceDescriptions"))
    return tuple(each for each in several or texts(record.get("NetAdapterInterfaceDescription")) if each)


def _teaming(record: Record) -> Teaming:
    if record.get("EmbeddedTeamingEnabled"):
        return "SET"
    return "LBFO" if any(each.startswith(_LBFO) for each in _uplinks(record)) else "none"


def _connections(vm: str, host: str, replies: Sequence[Reply]) -> Connections | NotApplicable:
    reply = replies[0]
    if lacks_command(reply):
        raise Unreadable(f"{host} does not offer Hyper-V's cmdlets: {reply.errors[0].message}")
    if is_absent(reply) or (reply.ok and not reply.objects):
        return NotApplicable(reason=f"{host} has no virtual machine {vm} with a network adapter")
    records = many(reply)
    ids = {str(each["VMId"]) for each in records}
    if len(ids) > 1:
        raise Unreadable(f"{host} has {len(ids)} virtual machines called {vm}: rename all but one, commands go by name")
    used = frozenset(str(each["SwitchName"]) for each in records if each.get("SwitchName"))
    return Connections(subject=ids.pop(), name=str(records[0]["VMName"]), host=host, switches=used)
