"""A storm: many alerts, few groups, several receivers at once, and no run more than there are groups."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import storming
from ledger_examples import on_postgres

from remediations.ledger import Ledger, Standing

GROUPS, EACH, RECEIVERS, MOST = 12, 30, 4, 5


@pytest.mark.long
@on_postgres
def test_four_receivers_make_as_many_runs_as_there_are_groups(blank: str, tmp_path: Path) -> None:
    told = storming.alerts(GROUPS, EACH)
    # Every alert comes twice, and to two receivers: Alertmanager sends to all of a cluster, and again.
    shares = [[*told[which::RECEIVERS], *told[(which + 1) % RECEIVERS :: RECEIVERS]] for which in range(RECEIVERS)]
    with ProcessPoolExecutor(RECEIVERS, mp_context=multiprocessing.get_context("spawn")) as receivers:
        going = [receivers.submit(storming.accept, blank, str(tmp_path), share, MOST) for share in shares]
        assert [each.result(timeout=200)[0] for each in going] == [len(share) for share in shares]
    with Ledger(blank) as ledger:
        storming.dispatcher(ledger, tmp_path, MOST).dispatch()
        stand = [each.standing for each in ledger.queued()]
        assert len(stand) == GROUPS * EACH, "none is lost, none is there twice"
        assert len(storming.CountingPrefect(tmp_path).runs()) == MOST == stand.count(Standing.STARTED)
        assert stand.count(Standing.WAITS) == GROUPS - MOST
        assert stand.count(Standing.JOINED) == GROUPS * EACH - GROUPS
    executed = storming.finish(blank, str(tmp_path), MOST)
    assert len(executed) == GROUPS == len(storming.CountingPrefect(tmp_path).runs())
    assert set(executed.values()) == {1}
    with Ledger(blank) as ledger:
        ledger.verify()
