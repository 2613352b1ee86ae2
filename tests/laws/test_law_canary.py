"""Law 8: the secret that opens the hosts appears nowhere that a run leaves behind."""

from __future__ import annotations

import logging

import pytest
from conftest import Bench, incident_of

from remediations.lab.protocol import Fault
from remediations.lab.world.faults import FAULTS
from remediations.model.causes import Cause


@pytest.mark.parametrize("cause", FAULTS)
def test_no_secret_in_ledger_report_plan_or_log(bench: Bench, cause: str, caplog: pytest.LogCaptureFixture, capfd) -> None:
    caplog.set_level(logging.DEBUG)
    report = bench.mend(bench.lab.fail(cause))
    told = report.model_dump_json() + "".join(ask.model_dump_json() for ask in bench.asked)
    assert_hidden(bench, told, caplog.text + "".join(capfd.readouterr()))


@pytest.mark.parametrize("kind", ["unauthorized", "garbage", "wsman", "reset"])
def test_no_secret_in_what_a_broken_wire_says(bench: Bench, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure = bench.lab.fail(Cause.SPN_MISSING.value)
    bench.lab.protocol_faults.add(Fault(kind=kind, count=None))  # type: ignore[arg-type]
    report = bench.engine().remediate(
        "run-1", incident_of(failure), dry_run=True, gate=bench.approving, requested_by="alerting"
    )
    assert_hidden(bench, report.model_dump_json(), caplog.text)


def assert_hidden(bench: Bench, *texts: str) -> None:
    """The operator's password is in none of these texts, nor in the ledger's files."""
    secret = bench.lab.password
    assert len(secret) > 10
    for text in texts:
        assert secret not in text
    files = [path for path in bench.path.glob("ledger.db*") if path.is_file()]
    assert files
    for path in files:
        assert secret.encode() not in path.read_bytes()
