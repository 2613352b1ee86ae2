"""Law 8: the secret that opens the hosts appears nowhere, also not in what is said of a broken wire."""

from __future__ import annotations

import logging

import pytest
from law_bench import Bench, assert_hidden, incident_of

from remediations.lab.protocol import Fault
from remediations.model.causes import Cause


@pytest.mark.parametrize("kind", ["unauthorized", "garbage", "wsman", "reset"])
def test_no_secret_in_what_a_broken_wire_says(bench: Bench, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure = bench.lab.fail(Cause.SPN_MISSING.value)
    bench.lab.protocol_faults.add(Fault(kind=kind, count=None))
    report = bench.engine().remediate(
        "run-1", incident_of(failure), dry_run=True, gate=bench.approving, requested_by="alerting"
    )
    assert_hidden(bench, report.model_dump_json(), caplog.text)
