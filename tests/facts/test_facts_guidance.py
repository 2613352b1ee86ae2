"""Clocks, secure channels, policy and shares, as hosts answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from remediations.facts.policy import LogonAsService, PolicyProcessing, logon_as_service, policy_processing
from remediations.facts.query import Unreadable
from remediations.facts.shares import MachineFiles, ShareRefusals, machine_files, share_of, share_refusals
from remediations.facts.trust import HostClock, SecureChannel, host_clock, secure_channel
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OBJECT = "CN={31B2F340-016D-11D2-945F-00C04FB984F9},CN=Policies,CN=System,DC=contoso,DC=com"


def answered(*objects: Any) -> list[Reply]:
    return [Reply(objects=objects)]


def failed(error_id: str) -> list[Reply]:
    return [Reply(errors=(HostError(message="Es ist ein Fehler aufgetreten.", error_id=error_id),))]


def test_a_clock_is_read_with_its_offset() -> None:
    local = NOON.astimezone(timezone(timedelta(hours=1)))
    found = host_clock("HV04").parse(answered({"LocalDateTime": local.replace(microsecond=500)}))
    assert isinstance(found, HostClock)
    assert found.now == NOON
    with pytest.raises(Unreadable, match="UTC offset"):
        host_clock("HV04").parse(answered({"LocalDateTime": local.replace(tzinfo=None)}))


@pytest.mark.parametrize("healthy", [True, False])
def test_a_secure_channel_is_good_or_not(healthy: bool) -> None:
    found = secure_channel("HV03").parse(answered(healthy))
    assert isinstance(found, SecureChannel)
    assert found.healthy is healthy


def test_a_secure_channel_that_was_not_tested_is_not_taken_for_good() -> None:
    with pytest.raises(Unreadable):
        secure_channel("HV03").parse(failed("InvalidOperationException"))
    with pytest.raises(ValueError, match="healthy"):
        secure_channel("HV03").parse(answered("False"))


@pytest.mark.parametrize(
    ("accounts", "has"),
    [
        (["*S-1-5-83-0"], True),
        (["CONTOSO\\svc", "NT Virtual Machine\\Virtual Machines"], True),
        ("NT VIRTUAL MACHINE\\Virtuelle Computer", True),
        (["*S-1-5-83-01"], False),
        (["*S-1-5-80-0", "CONTOSO\\Virtual Machines"], False),
        (None, False),
    ],
)
def test_who_may_log_on_as_a_service_by_policy(accounts: Any, has: bool) -> None:
    found = logon_as_service("HV02").parse(answered({"AccountList": accounts, "GPOID": OBJECT, "precedence": 1}))
    assert isinstance(found, LogonAsService)
    assert (found.decided, found.has_machines) == (True, has)
    assert found.objects == {"{31B2F340-016D-11D2-945F-00C04FB984F9}"}


def test_without_an_object_the_hosts_own_list_holds() -> None:
    found = logon_as_service("HV02").parse(answered())
    assert isinstance(found, LogonAsService)
    assert not found.decided


def event(number: int, hours: int) -> dict[str, Any]:
    return {"Id": number, "TimeCreated": NOON + timedelta(hours=hours), "Message": "The  processing\r\nfailed."}


@pytest.mark.parametrize(
    ("events", "broken"),
    [
        ([event(1502, -1)], False),
        ([event(1096, -1)], True),
        ([event(1502, -1), event(1096, -2)], False),
        ([event(1096, -1), event(1500, -2), event(1096, -3)], True),
    ],
)
def test_policy_is_broken_while_nothing_was_processed_since(events: list[dict[str, Any]], broken: bool) -> None:
    found = policy_processing("HV04").parse(answered(*events))
    assert isinstance(found, PolicyProcessing)
    assert found.broken is broken
    assert found.told in ("", "The processing failed.")


def test_a_host_without_such_events_has_no_trouble_with_its_policy() -> None:
    found = policy_processing("HV04").parse(failed("NoMatchingEventsFound"))
    assert isinstance(found, PolicyProcessing)
    assert not found.broken
    with pytest.raises(Unreadable):
        policy_processing("HV04").parse(failed("UnauthorizedAccessException"))


@pytest.mark.parametrize(
    ("path", "share"),
    [
        ("\\\\fs01\\vms\\VM51", "\\\\fs01\\vms"),
        ("\\\\fs01.contoso.com\\vms", "\\\\fs01.contoso.com\\vms"),
        ("\\\\fs01", ""),
        ("\\\\fs01\\", ""),
        ("C:\\ClusterStorage\\Volume1\\VM51", ""),
        ("", ""),
    ],
)
def test_the_share_of_a_path(path: str, share: str) -> None:
    assert share_of(path) == share


def test_what_a_share_refused_is_found_without_regard_to_letters() -> None:
    found = share_refusals("HV04").parse(answered({"Message": "Path:\r\n \\\\FS01\\VMS"}, {"Message": "another"}))
    assert isinstance(found, ShareRefusals)
    assert found.of("\\\\fs01\\vms\\VM51") == "Path: \\\\FS01\\VMS"
    assert found.of("\\\\fs02\\vms\\VM51") == found.of("C:\\VMs") == ""


@pytest.mark.parametrize("error_id", ["NoMatchingEventsFound", "NoMatchingLogsFound"])
def test_a_host_that_keeps_no_refusals_has_none(error_id: str) -> None:
    found = share_refusals("HV04").parse(failed(error_id))
    assert isinstance(found, ShareRefusals)
    assert found.told == ()


def test_where_a_virtual_machine_lies() -> None:
    found = machine_files("VM51", "HV03").parse(answered({"Id": "c1d3f0aa", "Path": "\\\\fs01\\vms\\VM51"}))
    assert isinstance(found, MachineFiles)
    assert found.share == "\\\\fs01\\vms"
    assert isinstance(machine_files("VM51", "HV04").parse(failed("InvalidParameter")), NotApplicable)
