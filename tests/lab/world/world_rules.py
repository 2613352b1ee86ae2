"""What a row of the tables of rules is, and the changes of the world's state that rows are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remediations.lab.world.migration import Migration
from remediations.lab.world.world import World

Change = Callable[[World], object]


def moved(world: World, vm: str, destination: str) -> Migration:
    move = world.move(vm, destination)
    world.wait(lambda: move.over)
    return move


def rewrite(host: str, attribute: str, change: Callable[[Any], Any]) -> Change:
    def apply(world: World) -> None:
        guid = world.directory.computer(host).guid
        world.directory.write("DC1", guid, attribute, change(world.directory.controllers["DC1"].value(guid, attribute)))

    return apply


def without(word: str) -> Callable[[Any], Any]:
    return lambda held: tuple(each for each in held if word.casefold() not in each.casefold())


def fresh(*hosts: str) -> Change:
    def apply(world: World) -> None:
        for host in hosts:
            world.host(host).tickets.purge()

    return apply


def host_set(host: str, **changes: object) -> Change:
    def apply(world: World) -> None:
        for name, value in changes.items():
            setattr(world.host(host), name, value)

    return apply


def settings(host: str, **changes: object) -> Change:
    return lambda world: world.host(host).migration.__dict__.update(changes)


def machine(name: str, **changes: object) -> Change:
    return lambda world: world.machine(name).__dict__.update(changes)


def under_way(vm: str, destination: str) -> Change:
    return lambda world: world.move(vm, destination)


@dataclass(frozen=True)
class Rule:
    name: str
    changes: tuple[Change, ...]
    vm: str
    destination: str
    code: int
    reason: str
    mend: tuple[Change, ...]
    side: str = "source"


ALONE, CLUSTERED = ("VM51", "HV04"), ("VM42", "HV02")
