"""Watching the hosts' event logs: nothing missed, nothing twice, what was lost is said, what has succeeded is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from law_bench import Bench, incident_of

from remediations.engine import propose
from remediations.engine.watch import PAGE, Seen
from remediations.facts.event_log import WATCHED, newest_records
from remediations.lab.protocol.faults import Fault
from remediations.model.causes import Cause
from remediations.model.incident import What
from remediations.model.outcome import Reason

SPN, DRAIN, SWITCH = Cause.SPN_MISSING.value, Cause.NODE_DRAIN_FAILED.value, Cause.SWITCH_MISSING.value
VMMS = WATCHED[0]


def watch(bench: Bench) -> Seen:
    return bench.engine().watch()


def vms(bench: Bench) -> list[str | None]:
    return sorted(str(each.incident.vm or each.incident.source) for each in bench.ledger.open_incidents())


def test_what_fails_between_two_looks_is_reported_once(bench: Bench) -> None:
    first = watch(bench)
    assert (first.reported, first.lost, first.unread) == ((), (), ())
    failure = bench.lab.fail(SPN)
    seen = watch(bench)
    assert len(seen.reported) == 1
    assert bench.changes() == []
    (opened,) = bench.ledger.open_incidents()
    assert (opened.incident.vm, opened.incident.source) == (failure.vm, failure.source)
    assert opened.incident.reported_by == f"the event log of {failure.source}"
    assert watch(bench) == Seen(), "nothing is new, and nothing is missing"
    bench.ledger.close_incident(opened.id, bench.mend(failure, "run-2").outcome)
    assert watch(bench).reported == (), "what our own run left in the logs is no new failure"


def test_its_report_is_enough_for_the_run(bench: Bench) -> None:
    watch(bench)
    bench.lab.fail(SPN)
    watch(bench)
    (opened,) = bench.ledger.open_incidents()
    report = bench.engine().remediate("run-1", opened.incident, dry_run=False, gate=bench.approving, requested_by="watching")
    assert report.retried, report.outcome
    assert bench.ledger.open_incidents() == []


def test_the_same_failure_by_webhook_and_by_log_is_one_incident(bench: Bench) -> None:
    watch(bench)
    incident = propose.canonical(incident_of(bench.lab.fail(SPN)), bench.lab.site())
    opened = bench.ledger.open_incident(incident, None)
    assert watch(bench).joined == (opened.id,)
    assert len(bench.ledger.open_incidents()) == 1


def test_an_alert_that_came_and_was_closed_before_the_log_was_read_is_not_reported_again(bench: Bench) -> None:
    watch(bench)
    failure = bench.lab.fail(SPN)
    bench.mend(failure)
    assert watch(bench).reported == ()


def test_a_failed_drain_is_a_drains_incident(bench: Bench) -> None:
    watch(bench)
    failure = bench.lab.fail(DRAIN)
    watch(bench)
    drains = [each.incident for each in bench.ledger.open_incidents() if each.incident.what is What.DRAIN]
    assert [each.source for each in drains] == [failure.node]


def test_the_first_look_reports_what_failed_within_the_hour_and_no_older(bench: Bench) -> None:
    bench.lab.fail(SPN)
    bench.clock.ahead += timedelta(hours=2)
    assert watch(bench).reported == ()
    bench.clock.ahead = timedelta()
    bench.lab.fail(SWITCH)
    watch(bench)
    assert vms(bench) == ["VM42"]


def test_what_succeeded_since_is_over(bench: Bench) -> None:
    watch(bench)
    failure = bench.lab.fail(SWITCH)
    (number,) = watch(bench).reported
    with bench.lab.world.lock:
        ours, theirs = (bench.lab.world.host(name).switches for name in ("HV01", "HV02"))
        theirs.update({name: ours[name] for name in ours})
    assert bench.lab.move(failure.vm, failure.destination).refusal is None
    assert watch(bench).over == (number,)
    outcome = bench.ledger.incident(number).outcome
    assert outcome is not None
    assert outcome.reason is Reason.SYMPTOM_GONE
    assert "20415" in outcome.summary


def test_a_failure_with_a_success_behind_it_is_none(bench: Bench) -> None:
    watch(bench)
    failure = bench.lab.fail(SWITCH)
    with bench.lab.world.lock:
        ours, theirs = (bench.lab.world.host(name).switches for name in ("HV01", "HV02"))
        theirs.update({name: ours[name] for name in ours})
    bench.lab.move(failure.vm, failure.destination)
    assert watch(bench).reported == ()


@pytest.mark.parametrize("begin_anew", [True, False])
def test_a_log_that_was_cleared_is_said_to_be_and_what_came_after_counts(bench: Bench, begin_anew: bool) -> None:
    noise(bench, "HV03", 5)
    watch(bench)
    with bench.lab.world.lock:
        noise(bench, "HV03", 2)
        bench.lab.world.host("HV03").log.clear(VMMS, begin_anew=begin_anew)
    bench.lab.fail(SPN)
    seen = watch(bench)
    assert len(seen.lost) == 1
    assert seen.lost[0].startswith(f"HV03, {VMMS}: ")
    assert "cleared" in seen.lost[0]
    assert vms(bench) == ["VM51"]
    assert watch(bench).lost == (), "it is said once"


def test_a_log_that_was_cleared_and_has_grown_past_the_bookmark_does_not_pass_for_the_old_one(bench: Bench) -> None:
    noise(bench, "HV03", 2)
    watch(bench)
    bench.lab.world.host("HV03").log.clear(VMMS)
    bench.lab.fail(SPN)
    noise(bench, "HV03", 5)
    seen = watch(bench)
    assert [each.split(":")[0] for each in seen.lost] == [f"HV03, {VMMS}"]
    assert vms(bench) == ["VM51"]


def test_an_emptied_log_is_noticed_too(bench: Bench) -> None:
    noise(bench, "HV03", 3)
    watch(bench)
    bench.lab.world.host("HV03").log.clear(VMMS)
    assert len(watch(bench).lost) == 1
    bench.lab.fail(SPN)
    seen = watch(bench)
    assert (len(seen.reported), seen.lost) == (1, ())


def test_a_log_that_was_full_says_how_many_are_gone(bench: Bench) -> None:
    noise(bench, "HV03", 3)
    watch(bench)
    noise(bench, "HV03", 10)
    bench.lab.world.host("HV03").log.wrap(VMMS, keep=4)
    (lost,) = watch(bench).lost
    assert lost == f"HV03, {VMMS}: 6 records after 3 are gone: it was full, or cleared, before they were read"


def test_after_a_long_outage_every_page_is_read(bench: Bench) -> None:
    watch(bench)
    bench.lab.fail(SPN)
    noise(bench, "HV03", 2 * PAGE + 7)
    seen = watch(bench)
    assert (len(seen.reported), seen.lost) == (1, ())


def test_a_page_ends_with_the_second_that_its_oldest_record_is_of() -> None:
    # Get-WinEvent reads EndTime from a text without fractions: what came earlier in that second would be passed over.
    (read,) = newest_records("HV03", VMMS, PAGE, datetime(2026, 3, 2, 9, 0, 0, 123456, UTC)).commands
    assert read.parameters["FilterHashtable"]["EndTime"] == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)


def test_a_host_that_is_down_is_read_from_the_same_place_when_it_is_back(bench: Bench) -> None:
    watch(bench)
    bench.lab.fail(SPN)
    bench.lab.protocol_faults.add(Fault("HV03", kind="reset", count=None))
    seen = watch(bench)
    assert seen.unread
    assert all(each.startswith("HV03") for each in seen.unread)
    bench.lab.protocol_faults.clear()
    watch(bench)
    assert vms(bench) == ["VM51"]


def test_two_watchers_report_once(bench: Bench) -> None:
    """The second has read from the same bookmark, and finds that the first was quicker."""
    watch(bench)
    bench.lab.fail(SPN)
    before = dict(bench.ledger.bookmarks())
    assert len(watch(bench).reported) == 1
    old = list(before.values())
    assert bench.ledger.watched(old, old, [bench.ledger.open_incidents()[0].incident]) is None
    assert bench.ledger.open_incidents()[0].reports == 1


@pytest.mark.parametrize("read_between", [True, False])
def test_a_machine_of_the_same_name_elsewhere_that_moves_ends_nothing(bench: Bench, read_between: bool) -> None:
    """VM42 of the cluster would not move; another VM42, on hosts of no cluster, does."""
    watch(bench)
    bench.lab.fail(SWITCH)
    if read_between:
        assert len(watch(bench).reported) == 1
    world = bench.lab.world
    with world.lock:
        world.host("HV03").log.write(20415, world.now + timedelta(seconds=1), vm="VM42", id="0", seconds=0.5)
    watch(bench)
    (opened,) = bench.ledger.open_incidents()
    assert (opened.incident.vm, opened.incident.cluster) == ("VM42", "CLUSTER1")


def test_two_machines_of_one_name_that_fail_are_two_incidents(bench: Bench) -> None:
    watch(bench)
    bench.lab.fail(SWITCH)
    world = bench.lab.world
    with world.lock:
        world.host("HV03").log.write(21024, world.now, vm="VM42", host="HV03", id="0")
    assert len(watch(bench).reported) == 2
    found = {(each.incident.vm, each.incident.cluster) for each in bench.ledger.open_incidents()}
    assert found == {("VM42", "CLUSTER1"), ("VM42", None)}


def noise(bench: Bench, host: str, times: int) -> None:
    """What is written all day, a page in four seconds: of a second with more than a page of it the rest could not be read."""
    world = bench.lab.world
    with world.lock:
        for number in range(times):
            later = timedelta(milliseconds=20 * number)
            world.host(host).log.write(20413, world.now + later, vm="VM99", host="HV04", id="0")
