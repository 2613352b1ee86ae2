from __future__ import annotations

from functools import partial

import pytest
from world_probe import CURRENT, Ask, run

from remediations.lab.world.clock import ManualClock
from remediations.lab.world.world import World


@pytest.fixture
def world() -> World:
    return World.contoso(clock=ManualClock(), module=CURRENT)


@pytest.fixture
def ask(world: World) -> Ask:
    """Runs a command of a host: `ask("HV01", "Get-VM", Name=["VM42"])`."""
    return partial(run, world)
