"""A whole site for the laws: the lab's world, real sockets, a real ledger, and an engine as production builds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from law_bench import Bench, MovableClock

from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh lab, ledger and sessions."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        clock = MovableClock()
        ledger = stack.enter_context(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock))
        remoting = stack.enter_context(Remoting(lab.site(), resolve, settings=RemotingSettings(in_flight=1)))
        yield Bench(lab, ledger, remoting, clock, tmp_path)
