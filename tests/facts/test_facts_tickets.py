"""klist's output in the languages of the world gives the same tickets; what could mean two days gives none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediations.facts.query import Unreadable
from remediations.facts.tickets import Ticket, Tickets, tickets
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

Write = Callable[[datetime], str]


def clock(local: datetime, sign: str = ":") -> str:
    """Hours without a leading zero."""
    return f"{local.hour}{sign}{local:%M}{sign}{local:%S}"


def half(local: datetime, before: str, after: str) -> tuple[str, str]:
    """Twelve hours, and the word for the half of the day."""
    return f"{local.hour % 12 or 12}:{local:%M:%S}", after if local.hour >= 12 else before


CULTURES: dict[str, tuple[tuple[str, ...], Write]] = {
    "en-US": (
        ("Client", "Server", "Start Time", "End Time", "Kdc Called", "local"),
        lambda t: f"{t.month}/{t.day}/{t.year} {clock(t)}",
    ),
    "en-GB": (("Client", "Server", "Start Time", "End Time", "Kdc Called", "local"), lambda t: f"{t:%d/%m/%Y} {clock(t)}"),
    "de-DE": (("Client", "Server", "Startzeit", "Endzeit", "Kdc aufgerufen", "lokal"), lambda t: f"{t:%d.%m.%Y} {clock(t)}"),
    "fr-FR": (
        ("Client ", "Serveur ", "Heure de début ", "Heure de fin ", "KDC appelé ", "Local"),
        lambda t: f"{t:%d/%m/%Y} {clock(t)}",
    ),
    "es-ES": (
        ("Cliente", "Servidor", "Hora de inicio", "Hora de fin", "KDC llamado", "local"),
        lambda t: f"{t.day}/{t.month}/{t.year} {clock(t)}",
    ),
    "it-IT": (
        ("Client", "Server", "Ora di inizio", "Ora di fine", "KDC chiamato", "locale"),
        lambda t: f"{t:%d/%m/%Y} {clock(t, '.')}",
    ),
    "pt-BR": (
        ("Cliente", "Servidor", "Hora de Início", "Hora de Término", "Kdc chamado", "local"),
        lambda t: f"{t:%d/%m/%Y} {clock(t)}",
    ),
    "ja-JP": (
        ("クライアント", "サーバー", "開始時刻", "終了時刻", "呼び出された KDC", "ローカル"),
        lambda t: f"{t:%Y/%m/%d} {clock(t)}",
    ),
    "zh-CN": (
        ("客户端", "服务器", "开始时间", "结束时间", "调用的 KDC", "本地"),
        lambda t: f"{t.year}/{t.month}/{t.day} {clock(t)}",
    ),
    "sv-SE": (("Klient", "Server", "Starttid", "Sluttid", "Anropad KDC", "lokal"), lambda t: f"{t:%Y-%m-%d} {clock(t)}"),
    "nl-NL": (
        ("Client", "Server", "Begintijd", "Eindtijd", "Kdc aangeroepen", "lokaal"),
        lambda t: f"{t.day}-{t.month}-{t.year} {clock(t)}",
    ),
    "en-US 12 h": (
        ("Client", "Server", "Start Time", "End Time", "Kdc Called", "local"),
        lambda t: "{}/{}/{} {} {}".format(t.month, t.day, t.year, *half(t, "AM", "PM")),
    ),
    "es-ES 12 h": (
        ("Cliente", "Servidor", "Hora de inicio", "Hora de fin", "KDC llamado", "local"),
        lambda t: "{}/{}/{} {} {}".format(t.day, t.month, t.year, *half(t, "a. m.", "p. m.")),
    ),
    "zh-CN 12 h": (
        ("客户端", "服务器", "开始时间", "结束时间", "调用的 KDC", "本地"),
        lambda t: "{0}/{1}/{2} {4} {3}".format(t.year, t.month, t.day, *half(t, "上午", "下午")),
    ),
    "ja-JP 12 h": (
        ("クライアント", "サーバー", "開始時刻", "終了時刻", "呼び出された KDC", "ローカル"),
        lambda t: "{0}/{1:02}/{2:02} {4}{3}".format(t.year, t.month, t.day, *half(t, "午前", "午後")),
    ),
}


def printed(culture: str, found: list[Ticket], zone: timezone) -> list[str]:
    """What klist would print."""
    (client, server, start, end, kdc, word), write = CULTURES[culture]
    lines = ["", "0:0x3e7", "", f"({len(found)})", ""]
    for number, ticket in enumerate(found):
        local, until = ticket.start.astimezone(zone), (ticket.start + timedelta(hours=10)).astimezone(zone)
        lines += [
            f"#{number}>\t{client}: hv03$ @ CONTOSO.COM",
            f"\t{server}: {ticket.server} @ CONTOSO.COM",
            "\tKerbTicket: AES-256-CTS-HMAC-SHA1-96",
            "\t0x40e10000 -> forwardable renewable initial pre_authent name_canonicalize ",
            f"\t{start}: {write(local)} ({word})",
            f"\t{end}: {write(until)} ({word})",
            f"\t{end}: {write(until)} ({word})",
            "\tAES-256-CTS-HMAC-SHA1-96",
            "\t0x1 -> PRIMARY ",
            f"\t{kdc}: {ticket.kdc} ",
            "",
        ]
    return lines


def read(lines: list[str], culture: str, zone: timezone, now: datetime) -> Tickets:
    """The fact that comes of it."""
    minutes = int((zone.utcoffset(None) or timedelta()).total_seconds() // 60)
    record = {"Lines": lines, "Culture": culture, "UtcOffsetMinutes": minutes, "Now": now}
    fact = tickets("HV03").parse([Reply(objects=(record,))])
    assert isinstance(fact, Tickets)
    return fact


SERVERS = (
    "krbtgt/CONTOSO.COM",
    "cifs/hv04.contoso.com:445",
    "Microsoft Virtual System Migration Service/HV04",
    "MSSQLSvc/db.contoso.com:1433",
)


@pytest.mark.parametrize("culture", CULTURES)
@settings(max_examples=25)
@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC)),  # noqa: DTZ001 the zone is added here
    ages=st.lists(st.integers(0, 7 * 86400), min_size=1, max_size=3),
    offset=st.sampled_from((-480, -300, 0, 60, 330, 540)),
    server=st.sampled_from(SERVERS),
    kdc=st.sampled_from(("DC1.contoso.com", "")),
    told=st.sampled_from(("", "en-US", "de-DE", "xx-XX")),
)
def test_what_is_printed_is_read_whatever_culture_is_told(  # noqa: PLR0917 hypothesis gives them
    culture: str, now: datetime, ages: list[int], offset: int, server: str, kdc: str, told: str
) -> None:
    zone = timezone(timedelta(minutes=offset))
    found = [Ticket(server=server, start=now - timedelta(seconds=age), kdc=kdc) for age in ages]
    fact = read(printed(culture, found, zone), told or culture.removesuffix(" 12 h"), zone, now)
    assert fact.tickets == frozenset(found)


@pytest.mark.parametrize("culture", CULTURES)
def test_an_older_ticket_is_read_as_its_culture_writes_it(culture: str) -> None:
    ticket = Ticket(server="krbtgt/CONTOSO.COM", start=datetime(2026, 2, 3, 9, tzinfo=UTC), kdc="")
    fact = read(printed(culture, [ticket], UTC), culture.removesuffix(" 12 h"), UTC, datetime(2026, 6, 9, tzinfo=UTC))
    assert fact.tickets == {ticket}


def test_an_unknown_culture_is_read_where_only_one_reading_is_possible() -> None:
    now = datetime(2026, 3, 25, 12, tzinfo=UTC)
    ticket = Ticket(server="krbtgt/CONTOSO.COM", start=datetime(2026, 3, 25, 9, tzinfo=UTC), kdc="")
    for written in ("en-GB", "en-US"):
        assert read(printed(written, [ticket], UTC), "xx-XX", UTC, now).tickets == {ticket}


def test_a_date_that_could_mean_two_days_is_not_guessed() -> None:
    now = datetime(2026, 4, 4, 12, tzinfo=UTC)
    ticket = Ticket(server="krbtgt/CONTOSO.COM", start=datetime(2026, 4, 3, 9, tzinfo=UTC), kdc="")
    assert read(printed("en-GB", [ticket], UTC), "xx-XX", UTC, now).tickets == {ticket}
    near = [ticket.model_copy(update={"start": datetime(2026, 4, 3, 9, tzinfo=UTC)})]
    with pytest.raises(Unreadable, match="culture xx-XX"):
        read(printed("en-GB", near, UTC), "xx-XX", UTC, datetime(2026, 9, 9, tzinfo=UTC))


def test_a_start_in_the_future_means_that_the_date_was_misread() -> None:
    ticket = Ticket(server="krbtgt/CONTOSO.COM", start=datetime(2026, 9, 3, 9, tzinfo=UTC), kdc="")
    with pytest.raises(Unreadable, match="future"):
        read(printed("en-GB", [ticket], UTC), "en-GB", UTC, datetime(2026, 5, 9, 12, tzinfo=UTC))
    written = ticket.model_copy(update={"start": datetime(2026, 3, 9, 9, tzinfo=UTC)})
    assert read(printed("en-GB", [ticket], UTC), "en-GB", UTC, datetime(2026, 3, 9, 12, tzinfo=UTC)).tickets == {written}


def test_older_windows_does_not_name_the_controller() -> None:
    zone = timezone(timedelta(hours=1))
    ticket = Ticket(server="krbtgt/CONTOSO.COM", start=datetime(2026, 3, 2, 9, tzinfo=UTC), kdc="DC1.contoso.com")
    lines = [line for line in printed("de-DE", [ticket], zone) if "aufgerufen" not in line and "PRIMARY" not in line]
    assert read(lines, "de-DE", zone, ticket.start).tickets == {ticket.model_copy(update={"kdc": ""})}


def test_an_empty_cache_is_no_error() -> None:
    lines = ["", "Current LogonId is 0:0x3e7", "", "Cached Tickets: (0)", ""]
    assert read(lines, "en-US", UTC, datetime(2026, 3, 2, tzinfo=UTC)).tickets == frozenset()


FAILED = [
    "Current LogonId is 0:0xd50661",
    "Error calling API LsaCallAuthenticationPackage (ShowTickets substatus): 1312",
    "",
    "klist failed with 0xc000005f/-1073741729: A specified logon session does not exist.",
]


@pytest.mark.parametrize("lines", [[], FAILED, ["当前登录 ID 是 0:0x3e7", "", "缓存的票证: (2)", ""]])
def test_a_klist_that_fails_or_tells_of_more_than_it_lists_has_not_shown_an_empty_cache(lines: list[str]) -> None:
    with pytest.raises(Unreadable, match="klist tells of"):
        read(lines, "en-US", UTC, datetime(2026, 3, 2, tzinfo=UTC))


def test_one_ticket_of_two_is_not_all_of_them() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    found = [Ticket(server=each, start=now, kdc="") for each in ("krbtgt/CONTOSO.COM", "cifs/hv04.contoso.com")]
    lines = printed("de-DE", found, UTC)
    with pytest.raises(Unreadable, match="klist tells of 2 tickets, and lists 1"):
        read(lines[: next(place for place, line in enumerate(lines) if line.startswith("#1>"))], "de-DE", UTC, now)


def test_a_block_without_dates_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="no line with a date"):
        read(
            ["#0>\tClient: hv03$ @ CONTOSO.COM", "\tServer: krbtgt/X @ X"],
            "en-US",
            UTC,
            datetime(2026, 3, 2, tzinfo=UTC),
        )


def test_a_host_without_the_module_has_no_such_fact() -> None:
    missing = HostError(message="The term 'Get-RemediationTicket' is not recognized", error_id="CommandNotFoundException")
    assert isinstance(tickets("HV03").parse([Reply(errors=(missing,))]), NotApplicable)


@pytest.mark.parametrize(
    ("server", "host", "expected"),
    [
        ("cifs/hv04.contoso.com", "HV04", True),
        ("cifs/hv04", "hv04.contoso.com", True),
        ("cifs/hv04.contoso.com:445", "HV04", True),
        ("Microsoft Virtual System Migration Service/HV04", "hv04", True),
        ("LDAP/DC1.contoso.com/contoso.com", "DC1", True),
        ("cifs/hv041", "HV04", False),
        ("krbtgt/CONTOSO.COM", "HV04", False),
    ],
)
def test_whose_service_a_ticket_is_for(server: str, host: str, expected: bool) -> None:
    ticket = Ticket(server=server, start=datetime(2026, 3, 2, tzinfo=UTC), kdc="")
    assert ticket.is_for(host) is expected
    assert ticket.granting is server.startswith("krbtgt/")
