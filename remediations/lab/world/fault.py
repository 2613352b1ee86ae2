"""What a fault is: something in the world's state that makes one move fail by the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remediations.lab.world.world import World


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, by the id of its cause, and the move (or drain) that fails of it."""

    cause: str
    title: str
    inject: Callable[[World], None]
    source: str
    destination: str
    vm: str = ""
    """The virtual machine that will not move; empty for a drain of `source`."""
    elsewhere: bool = False
    """Whether the move is asked for from another computer than its source."""

    @property
    def node(self) -> str:
        """The node whose drain fails; empty for a migration."""
        return "" if self.vm else self.source
