"""What a virtual machine has attached, and whether another host could open it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remediations.lab.world.hosts import Host
from remediations.lab.world.machines import Machine
from remediations.lab.world.text import Sentence, sentence, system_message

NO_PATH = 0x80070003


def is_local(path: str) -> bool:
    """Whether a path is on a disk of one host: cluster shared volumes and shares are everywhere under the same path."""
    return bool(re.match(r"(?i)[a-z]:", path)) and not path.casefold().startswith("c:\\clusterstorage\\")


def unopened(machine: Machine, destination: Host) -> Iterator[tuple[int, Sentence]]:
    """Code and reason for each attachment that the destination cannot open."""
    for path in machine.media.values():
        if is_local(path):
            why = system_message(NO_PATH)
            yield NO_PATH, sentence("migration.attachment", vm=machine.name, path=path, why=why, code=f"0x{NO_PATH:08X}")
