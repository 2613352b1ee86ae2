"""What is tried again of a failure that came over Prefect's bus: a ledger that is away, and nothing else."""

from __future__ import annotations

import pytest
from prefect.states import Failed

from flows.report_failure import ledger_was_away, take_in
from remediations.alerts import BadAlert
from remediations.alerts.report import Mistake
from remediations.model.outcome import Reason, Refused


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Refused(Reason.LEDGER_UNAVAILABLE, "its database is locked"), True),
        (Refused(Reason.SELECTOR_REFUSED, "every host is nobody's"), False),
        (BadAlert([Mistake("vm", "is missing")]), False),
        (KeyError("of our own making"), False),
    ],
)
def test_only_a_ledger_that_is_away_is_waited_for(error: Exception, again: bool) -> None:
    assert ledger_was_away(take_in, None, Failed(data=error)) is again
