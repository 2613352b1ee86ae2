"""A storage migration that failed is mended, and never answered by moving the machine: that is not what had been asked for."""

from __future__ import annotations

from law_bench import Bench, incident_of

from remediations.model.causes import Cause


def test_the_machine_is_not_moved_for_a_storage_migration_that_failed(bench: Bench) -> None:
    failure = bench.lab.fail(Cause.SPN_MISSING.value)
    said = f"Storage migration for virtual machine '{failure.vm}' failed with error '0x80090303'."
    incident = incident_of(failure).model_copy(update={"message": said, "event_id": 20926})
    report = bench.engine().remediate("run-1", incident, dry_run=False, gate=bench.approving, requested_by="watching")
    assert report.retry is None
    assert not report.retried
    assert bench.changes(), report.outcome
    assert not [sent for sent in bench.changes() if sent[1].startswith("Move-")]
    assert report.verified
    assert "start it again" in report.outcome.summary
