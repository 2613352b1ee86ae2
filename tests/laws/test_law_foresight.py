"""A drain tells beforehand what would stay behind and why, from reads alone."""

from __future__ import annotations

import pytest
from law_bench import Bench, never

from remediations.catalogue.drain_node import DrainNode
from remediations.model.outcome import Ending


@pytest.mark.parametrize("cause", ["switch_missing"])
def test_a_drain_names_what_would_stay_behind(bench: Bench, cause: str) -> None:
    drain = DrainNode(node="HV01")
    clear = bench.engine().carry_out("look-1", drain, dry_run=True, gate=never, requested_by="anna")
    assert clear.outcome.ending is Ending.PROPOSED, clear.markdown
    machines = [each.name for each in bench.lab.world.machines.values() if each.host == "HV01"]
    assert f"of {len(machines)} virtual machines on HV01 can move now" in clear.markdown
    assert "would stay" not in clear.markdown
    bench.lab.inject(cause)
    before = bench.lab.world.state_hash()
    report = bench.engine().carry_out("look-2", drain, dry_run=True, gate=never, requested_by="anna")
    assert bench.lab.world.state_hash() == before
    assert bench.changes() == []
    assert "**VM42** would stay" in report.markdown
