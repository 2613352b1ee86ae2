"""Reading reports in every form that they come in: the same event gives the same fields, whoever shipped it."""

# ruff: noqa: E501 - messages stand as Windows writes them, on one line

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from remediations.diagnosis import ReportedEvent, diagnose, event_of, parse_reports
from remediations.model.causes import Cause

TEXT = (
    "Live migration of 'Virtual Machine VM01' failed.\n\nVirtual machine migration operation for 'VM01' failed at migration source "
    "'HV01'.\n\nFailed to perform migration on virtual machine 'VM01' because virtual machine migration limit '2' was reached, "
    "please wait for completion of an ongoing migration operation."
)
CHANNEL = "Microsoft-Windows-Hyper-V-High-Availability-Admin"
PROVIDER = "Microsoft-Windows-Hyper-V-High-Availability"
AT = datetime(2026, 11, 23, 3, 15, 30, 123000, tzinfo=UTC)
WHEN = "2026-11-23T03:15:30.123Z"

FORMS: dict[str, Any] = {
    "our own line": {"log": CHANNEL, "event_id": 21501, "provider": PROVIDER, "text": TEXT, "computer": "HV01", "time": WHEN},
    "Get-WinEvent | ConvertTo-Json, Windows PowerShell": {
        "Message": TEXT, "Id": 21501, "Version": 0, "Level": 2, "ProviderName": PROVIDER, "LogName": CHANNEL, "MachineName": "HV01",
        "RecordId": 4711, "TimeCreated": "/Date(1795403730123)/", "Properties": [{"Value": "VM01"}],
    },
    "Get-WinEvent | ConvertTo-Json, PowerShell 7": {
        "Message": TEXT, "Id": 21501, "ProviderName": PROVIDER, "LogName": CHANNEL, "MachineName": "HV01",
        "TimeCreated": "2026-11-23T03:15:30.123+00:00",
    },
    "Winlogbeat": {
        "@timestamp": WHEN, "message": TEXT, "host": {"name": "monitor"}, "log": {"level": "error"}, "agent": {"type": "winlogbeat"},
        "winlog": {
            "event_id": "21501", "channel": CHANNEL, "provider_name": PROVIDER, "computer_name": "HV01", "record_id": 4711,
            "user_data": {"xml_name": "VmlEventLog", "Parameter0": "VM01"},
        },
    },
    "Fluent Bit": {
        "EventID": 21501, "Channel": CHANNEL, "ProviderName": PROVIDER, "Computer": "HV01", "Message": TEXT,
        "TimeCreated": "2026-11-23 03:15:30.123 +0000", "StringInserts": ["VM01"], "Qualifiers": "",
    },
    "Alloy": {
        "source": PROVIDER, "channel": CHANNEL, "computer": "HV01", "event_id": 21501, "level": 2, "timeCreated": WHEN,
        "message": TEXT, "user_data": "<VmlEventLog/>",
    },
    "NXLog": {
        "EventTime": WHEN, "Hostname": "HV01", "EventID": 21501, "SourceName": PROVIDER, "Channel": CHANNEL, "Message": TEXT,
        "SeverityValue": 4,
    },
    "event XML": f"""<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>
        <Provider Name='{PROVIDER}' Guid='{{66d8fd31-0000-4bb9-a6bd-83a9a0ed1a46}}'/><EventID>21501</EventID><Level>2</Level>
        <TimeCreated SystemTime='2026-11-23T03:15:30.1230000Z'/><Channel>{CHANNEL}</Channel><Computer>HV01</Computer></System>
        <UserData><VmlEventLog xmlns='http://www.microsoft.com/Windows/Virtualization/Events'><VmName>VM01</VmName></VmlEventLog></UserData>
        <RenderingInfo Culture='en-US'><Message>{TEXT.replace("'", "&apos;")}</Message></RenderingInfo></Event>""",
    "Event Viewer's copy": (
        f"Log Name:      {CHANNEL}\nSource:        {PROVIDER}\nDate:          2026-11-23T03:15:30.123+00:00\nEvent ID:      21501\n"
        f"Task Category: None\nLevel:         Error\nKeywords:      \nUser:          SYSTEM\nComputer:      HV01\nDescription:\n{TEXT}"
    ),
    "Get-WinEvent | Format-List": (
        f"\n\nTimeCreated  : 2026-11-23T03:15:30.123+00:00\nProviderName : {PROVIDER}\nId           : 21501\nLogName      : {CHANNEL}\n"
        "MachineName  : HV01\nMessage      : " + TEXT.replace("\n", "\n               ") + "\n"
    ),
}  # fmt: skip


def parsed(form: Any) -> list[ReportedEvent]:
    return parse_reports(form if isinstance(form, str) else json.dumps(form))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_event(form: Any) -> None:
    (event,) = parsed(form)
    assert (event.event_id, event.channel, event.provider, event.computer) == (21501, CHANNEL, PROVIDER, "HV01")
    assert " ".join(event.text.split()) == " ".join(TEXT.split())
    assert event.time == AT


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_leads_to_the_cause(form: Any) -> None:
    answer = diagnose(form if isinstance(form, str) else json.dumps(form))
    assert answer.hypotheses[0].cause is Cause.MIGRATION_LIMIT_REACHED
    assert answer.incident is not None
    assert (answer.incident.vm, answer.incident.source) == ("VM01", "HV01")


def test_lokis_streams_are_read_with_their_labels() -> None:
    line = {"source": PROVIDER, "event_id": 21501, "message": TEXT}
    stream = {
        "stream": {"channel": CHANNEL, "computer": "HV01"},
        "values": [["1795403730123000000", json.dumps(line)], ["2", TEXT]],
    }
    for whole in ({"streams": [stream]}, {"status": "success", "data": {"resultType": "streams", "result": [stream]}}):
        first, second = parsed(whole)
        assert (first.event_id, first.channel, first.computer) == (21501, CHANNEL, "HV01")
        assert (second.text, second.channel) == (TEXT, CHANNEL)


def test_many_events_in_one_input() -> None:
    whole = [FORMS["NXLog"], FORMS["Fluent Bit"]]
    assert [event.event_id for event in parsed(whole)] == [21501, 21501]
    assert len(parsed("\n".join(json.dumps(each) for each in whole))) == 2
    xml = FORMS["event XML"]
    assert len(parse_reports(f"<Events>{xml}{xml}</Events>")) == 2
    assert len(parse_reports(xml + xml)) == 2
    assert len(parse_reports(FORMS["Get-WinEvent | Format-List"] * 3)) == 3


def test_unrendered_xml_keeps_its_parameters() -> None:
    (event,) = parse_reports(
        "<Event><System><Provider Name='Microsoft-Windows-Hyper-V-VMMS'/><EventID Qualifiers='0'>20406</EventID></System>"
        "<UserData><VmlEventLog><Parameter0>HV02</Parameter0><ErrorMessage>%%2148074254</ErrorMessage><ErrorCode>0x8009030E</ErrorCode>"
        "</VmlEventLog></UserData></Event>"
    )
    assert event.data == {"Parameter0": "HV02", "ErrorMessage": "%%2148074254", "ErrorCode": "0x8009030E"}
    assert diagnose(event).hypotheses[0].cause is Cause.CREDSSP_NO_CREDENTIALS


@pytest.mark.parametrize(
    "header",
    [
        "Protokollname: {0}\nQuelle:        {1}\nDatum:         23.11.2026 04:15:30\nEreignis-ID:   21501\nComputer:      HV01\nBeschreibung:\n",
        "Nom du journal :{0}\nSource :       {1}\nDate :         23/11/2026 04:15:30\nID de l’événement :21501\nOrdinateur :   HV01\nDescription :\n",
        "Nombre de registro:{0}\nOrigen:        {1}\nFecha:         23/11/2026 4:15:30\nId. del evento:21501\nEquipo:        HV01\nDescripción:\n",
        "Nome registro: {0}\nOrigine:       {1}\nData:          23/11/2026 04:15:30\nID evento:     21501\nComputer:      HV01\nDescrizione:\n",
        "Nome do Log:   {0}\nFonte:         {1}\nData:          23/11/2026 04:15:30\nIdentificação do Evento:21501\nComputador:    HV01\nDescrição:\n",
        "ログの名前:    {0}\nソース:        {1}\n日付:          2026/11/23 4:15:30\nイベント ID:   21501\nコンピューター: HV01\n説明:\n",
        "日志名称:      {0}\n来源:          {1}\n日期:          2026/11/23 4:15:30\n事件 ID:       21501\n计算机:        HV01\n描述:\n",
    ],
)
def test_event_viewers_copy_in_other_languages(header: str) -> None:
    (event,) = parse_reports(header.format(CHANNEL, PROVIDER) + TEXT)
    assert (event.event_id, event.channel, event.provider, event.computer) == (21501, CHANNEL, PROVIDER, "HV01")
    assert event.text == TEXT


def test_a_powershell_error_names_its_cmdlet() -> None:
    (event,) = parse_reports(
        "Move-VM : The source host is not configured for live migration.\nAt line:1 char:1\n+ Move-VM VM01 HV02\n"
        "    + CategoryInfo          : NotSpecified: (:) [Move-VM], VirtualizationException\n"
    )
    assert event.provider == "Move-VM"
    assert diagnose(event).hypotheses[0].cause is Cause.MIGRATION_NOT_ENABLED


@pytest.mark.parametrize(
    "code",
    [
        "0x8009030E",
        "0X8009030e",
        "(0x8009030E)",
        "-2146893042",
        "2148074254",
        "%%2148074254",
        "8009030E",
        "Ox8009030E",
        "文0x8009030E字",
    ],
)
def test_a_code_is_known_however_it_is_written(code: str) -> None:
    answer = diagnose(f"Virtual machine migration operation for 'VM01' failed at migration source 'HV01'. {code}")
    assert answer.hypotheses[0].cause is Cause.CREDSSP_NO_CREDENTIALS


@pytest.mark.parametrize(
    "code", ["error code 5016", "Fehlercode: 5016", "code d'erreur 5016", "Error Code: 0x1398", "0x80071398", "-2147019880"]
)
def test_a_win32_number_counts_after_a_word_for_error(code: str) -> None:
    answer = diagnose(f"Live migration of 'Virtual Machine VM01' failed. {code}")
    assert answer.hypotheses[0].cause is Cause.POSSIBLE_OWNER_EXCLUDED
    assert diagnose("Live migration of 'Virtual Machine VM01' failed. It has 5016 disks.").hypotheses == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_with_and_without_a_mark(encoding: str) -> None:
    (event,) = parse_reports(TEXT.encode(encoding))
    assert event.text == TEXT


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Fehler bei der Livemigration: Zugriff für „VM01“ verweigert. Überprüfen Sie die Größe.", "cp1252"),
        ("Échec de la migration dynamique de « VM01 » à la source", "cp1252"),
        ("仮想マシンの移行操作は、移行元で失敗しました。ホストとの接続を確立できませんでした", "cp932"),
        ("在迁移源上的虚拟机迁移操作失败。无法与主机建立连接", "gb18030"),
    ],
)
def test_old_code_pages(text: str, encoding: str) -> None:
    (event,) = parse_reports(text.encode(encoding))
    assert event.text == text


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " \n ",
        "{",
        "[[[",
        "<Event",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><Event>&a;</Event>",
        "null",
        "[]",
        "{}",
        "[1, 2]",
        "<a/>",
        "Log Name:",
        "\x00",
    ],
)
def test_what_is_nothing_is_plain_text_and_unknown(raw: str) -> None:
    events = parse_reports(raw)
    assert len(events) == 1
    assert diagnose(events[0]).hypotheses == ()


def test_an_event_is_strict_about_what_it_knows() -> None:
    assert ReportedEvent.model_validate({"log": "a"}).channel == "a"
    assert ReportedEvent(channel="a").channel == "a"
    with pytest.raises(ValueError, match="eventid"):
        ReportedEvent.model_validate({"eventid": 1})


@pytest.mark.parametrize(
    "value",
    [
        {
            "stream": {"event_id": "21502", "channel": "c"},
            "values": [["1732330000000000000", "Live migration of 'VM' failed."]],
        },
        {"labels": {"event_id": "21502", "channel": "c"}, "line": "Live migration of 'VM' failed.", "timestamp": "2026-11-23"},
        {"labels": {}, "line": '{"event_id": 21502, "channel": "c", "message": "Live migration of \'VM\' failed."}'},
        {"events": [{"event_id": 21502, "channel": "c", "message": "Live migration of 'VM' failed."}]},
        {"event_id": 21502, "channel": "c", "line": "x", "data": {}, "message": "Live migration of 'VM' failed."},
    ],
)
def test_one_object_is_one_event_whoever_wrapped_it(value: dict[str, Any]) -> None:
    event = event_of(value)
    assert (event.event_id, event.channel, event.text) == (21502, "c", "Live migration of 'VM' failed.")
