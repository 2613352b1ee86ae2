"""What can only be done while a virtual machine is off: its guest shuts down, the change is made, it starts again.

It is shut down by its guest with Stop-VM, also where it is clustered: taking its role offline would save it (the role's
default offline action is Save). It comes back through its resource, on the node that owns it: starting the role would
start whatever else somebody put into it. One that was off stays off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from remediations.facts.cluster import Role
from remediations.facts.vm import Machine
from remediations.model.command import Command, command
from remediations.model.fact import Change, Guard, Test, changes, guard
from remediations.model.names import same_host
from remediations.model.plan import Blocked, Close, Obstacle, Step

BRACKET = "powered off"
SHUTDOWN_TIME = 600.0
"""Seconds that a guest gets to shut down; it is never turned off."""
START_TIME = 300.0


def at_home(machine: Machine, group: Role | None) -> tuple[Guard, ...]:
    """That the virtual machine is still where it was seen, and owned there."""
    owner = (guard(group, "owner", Test.EQUALS, group.owner),) if group else ()
    return (guard(machine, "host", Test.EQUALS, machine.host), *owner)


def strange(machine: Machine, group: Role) -> Blocked | None:
    """What stands against a role that cannot be the machine's own as they are shown; None if it can.

    A role is found by the name that its resource was given. Where a machine was renamed since and another one has its old name,
    that is another one's role, whose state and owner are its own: it may be off on purpose.
    """
    on = {"Running": ("Online",), "Off": ("Offline", "Failed"), "Saved": ("Offline", "Failed")}.get(machine.state, ())
    if same_host(machine.host, group.owner) and (not on or group.resource in on):
        return None
    what = f"{group.machine} is {group.resource} on {group.owner}, while {machine.name} is {machine.state} on {machine.host}"
    why = f"{what}: it may belong to another machine, or is on its way (Get-ClusterResource -VMId {machine.subject})"
    return Blocked(obstacle=Obstacle.PRECONDITION, why=why)


def while_off(machine: Machine, group: Role | None, within: Iterable[Step], *, meanwhile: str) -> Iterator[Step]:
    """The steps `within`, between a shutdown and a start where it runs. `meanwhile` says what is done in between."""
    off = machine.model_copy(update={"state": "Off"})
    stop, start = command("Stop-VM", Name=machine.name), start_command(machine, group)
    here, runs = at_home(machine, group), machine.state == "Running"
    if runs:
        yield Step(
            target=machine.target,
            host=machine.host,
            command=stop,
            why=f"{machine.name} is down from here until it is started again: its guest shuts down (up to "
            f"{SHUTDOWN_TIME / 60:.0f} minutes, never turned off), {meanwhile}, it boots",
            changes=changes(machine, off),
            undo=start,
            guards=(*here, guard(machine, "state", Test.EQUALS, "Running"), guard(machine, "activity", Test.EQUALS, [])),
            opens=BRACKET,
            close=Close(host=machine.host, command=start, changes=changes(off, machine)),
            settles=SHUTDOWN_TIME,
            deadline=SHUTDOWN_TIME,
            late=f"The guest of {machine.name} was asked to shut down and may do so yet, and nobody starts it then: watch it",
        )
    yield from within
    if runs:
        yield Step(
            target=group.target if group else machine.target,
            host=machine.host,
            command=start,
            why=f"{machine.name} ran before",
            changes=changes(off, machine),
            undo=stop,
            guards=here,
            closes=BRACKET,
            settles=START_TIME,
            deadline=START_TIME,
        )


def start_command(machine: Machine, group: Role | None) -> Command:
    """How a virtual machine is started: by the cluster, if it is clustered."""
    return command("Start-ClusterResource", Name=group.machine) if group else command("Start-VM", Name=machine.name)


def running(machine: Machine, group: Role | None) -> tuple[Change, ...]:
    """What a start does to a virtual machine, and to its role."""
    made = changes(machine, machine.model_copy(update={"state": "Running"}))
    return (*made, *changes(group, group.model_copy(update={"resource": "Online"}))) if group else made
