"""What stands within a report: every error code in whichever form, and its nested messages, outermost first."""

from __future__ import annotations

import pytest

from remediations.diagnosis import Knowledge, ReportedEvent, diagnose
from remediations.diagnosis.names import told_by
from remediations.diagnosis.within import MESSAGES, as_told, codes_in, messages_in

NESTED = (
    "Live migration of 'Virtual Machine SQL01' failed.",
    "Virtual machine migration operation for 'SQL01' failed at migration source 'HV01'. (Virtual machine ID "
    "D46FD5CD-A9CB-40B1-ACFB-5CC8C759E2D5)",
    "Failed to establish a connection with host 'HV02': No credentials are available in the security package (0x8009030E).",
)


def codes(text: str) -> list[str]:
    found = diagnose(ReportedEvent(text=text)).codes
    return [f"{code:08X}" for code in codes_in(text, found)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failed (0x8009030E)", ["8009030E"]),
        ("failed: -2146893042", ["8009030E"]),
        ("failed with error code 5016", ["80071398"]),
        ("first 0x80072746, then (0x8009030E), then 0X80072746 again", ["80072746", "8009030E"]),
        ("0x80041001 that no table has", ["80041001"]),
        ("-2147217407 that no table has", ["80041001"]),
        ("SEC_E_NO_CREDENTIALS", ["8009030E"]),
        ("0x000013AB", ["000013AB"]),
        ("state 0x00000001 is no failure", []),
        ("the pointer 0xFFFFFA801CE0B060 and the session 0x1CC00001D", []),
        ("the machine D46FD5CD-2147217407-40B1 and a0x80041001", []),
        ("nothing", []),
    ],
)
def test_every_code_in_the_order_of_the_text(text: str, expected: list[str]) -> None:
    assert codes(f"Live migration of 'Virtual Machine VM01' failed. {text}") == expected


@pytest.mark.parametrize("text", ["\n\n".join(NESTED), " ".join(NESTED), "\r\n  ".join(NESTED)])
def test_nested_messages_outermost_first(text: str) -> None:
    assert messages_in(text) == NESTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("移行元で失敗しました。接続できません。", ("移行元で失敗しました。", "接続できません。")),
        ("host hv01.contoso.com refused", ("host hv01.contoso.com refused",)),
        ("a\n" * 100, ("a",) * MESSAGES),
    ],
)
def test_messages_of_other_texts(text: str, expected: tuple[str, ...]) -> None:
    assert messages_in(text) == expected


def test_a_code_is_told_with_its_name_or_without_one() -> None:
    known = Knowledge.packaged()
    assert as_told(0x8009030E, known) == {
        "code": "0x8009030E",
        "name": "SEC_E_NO_CREDENTIALS",
        "meaning": "no credentials are available in the security package",
    }
    assert as_told(0x80041001, known) == {"code": "0x80041001", "name": "", "meaning": ""}


def test_what_is_told_where_it_is_no_incident_yet() -> None:
    event = ReportedEvent(
        text="Failed to establish a connection with host 'S1': the connected party did not respond. (0x8007274C)"
    )
    assert diagnose(event).incident is None
    told = told_by(event)
    assert (told.vm, told.destination, told.message) == (None, "S1", event.text)


@pytest.mark.parametrize("text", ["", "Live migration of 'Virtual Machine *' failed.", "\ud800"])
def test_of_a_report_that_names_nobody_the_rest_is_told(text: str) -> None:
    told = told_by(ReportedEvent.model_construct(text=text, event_id=21502))
    assert (told.vm, told.source, told.event_id) == (None, None, 21502)
