"""What a virtual machine has attached, and whether another host could open it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remediations.lab.world.hosts import Host
from remediations.lab.world.machines import Disk, Machine
from remediations.lab.world.text import Sentence, sentence, system_message

NO_PATH, NOT_SUPPORTED = 0x80070003, 0x80070032


def is_local(path: str) -> bool:
    """Whether a path is on a disk of one host: cluster shared volumes and shares are everywhere under the same path."""
    return bool(re.match(r"(?i)[a-z]:", path)) and not path.casefold().startswith("c:\\clusterstorage\\")


def unopened(machine: Machine, destination: Host) -> Iterator[tuple[int, Sentence]]:
    """Code and reason for each attached thing that the destination cannot take."""
    above = [path for path, _ in machine.chain[:-1]]
    for path in (*above, *machine.media.values()):
        if is_local(path):
            why = system_message(NO_PATH)
            yield NO_PATH, sentence("migration.attachment", vm=machine.name, path=path, why=why, code=f"0x{NO_PATH:08X}")
    for disk in machine.disks:
        if disk.number is not None:
            yield NOT_SUPPORTED, _unsupported("migration.physical", machine, disk)
        elif disk.shared and is_local(disk.path):
            yield NOT_SUPPORTED, _unsupported("migration.shared", machine, disk)
    if machine.outdated:
        yield 0, sentence("migration.device", vm=machine.name, id=machine.id, device=machine.outdated)


def _unsupported(key: str, machine: Machine, disk: Disk) -> Sentence:
    code = f"0x{NOT_SUPPORTED:08X}"
    return sentence(key, vm=machine.name, path=disk.path, why=system_message(NOT_SUPPORTED), code=code)
