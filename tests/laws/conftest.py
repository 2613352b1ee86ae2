"""A whole site for the laws: the lab's world, real sockets, a real ledger, and an engine as production builds it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
from law_bench import Bench, MovableClock

from remediations.lab.lab import Lab, shipped_module
from remediations.lab.world.world import World
from remediations.ledger import Ledger
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve

EVERYDAY = frozenset(
    {"spn_missing", "kerberos_tickets_stale", "migration_limit_reached", "cpu_incompatible", "node_drain_failed"}
)
"""Faults whose laws run every time; those of the others are `long`."""

EVERY_TIME = frozenset(
    {
        "test_law_quad.py",
        "test_law_refusals.py",
        "test_law_undo.py",
        "test_law_wire.py",
        "test_law_killed.py",
        "test_law_diagonal.py",
        "test_law_canary.py",
        "test_law_bundle.py",
        "test_law_stops.py",
        "test_law_three_nodes.py",
    }
)
"""Files of laws that run every time; the others (crashes, broken wires, rounds, endings) are `long`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long ones of this folder, before pytest picks by marker."""
    for item in items:
        if item.path.parent != Path(__file__).parent or not isinstance(item, pytest.Function):
            continue
        given = getattr(item, "callspec", None)
        cause = given.params.get("cause") if given is not None else None
        if item.path.name not in EVERY_TIME or (cause is not None and cause not in EVERYDAY):
            item.add_marker(pytest.mark.long)


@contextmanager
def started(path: Path, nodes: int) -> Iterator[Bench]:
    """A fresh lab with a cluster of so many nodes, a ledger in `path`, and sessions."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(World.contoso(module=shipped_module(), nodes=nodes)))
        clock = MovableClock()
        ledger = stack.enter_context(Ledger(f"sqlite:///{path / 'ledger.db'}", clock=clock))
        remoting = stack.enter_context(Remoting(lab.site(), resolve, settings=RemotingSettings(in_flight=1)))
        yield Bench(lab, ledger, remoting, clock, path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh lab, ledger and sessions."""
    with started(tmp_path, 2) as two:
        yield two


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Bench]:
    """The same with a cluster of three nodes: HV01, HV02 and HV05."""
    with started(tmp_path, 3) as one_more:
        yield one_more


@pytest.fixture(scope="session")
def processes() -> BaseContext:
    """How processes are started: forked from one that has imported everything, and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["law_killed", "law_two"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context
