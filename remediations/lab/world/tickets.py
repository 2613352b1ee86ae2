"""LocalSystem's Kerberos ticket cache (logon id 0x3e7) on a host, and how klist prints it in the host's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

LIFETIME = timedelta(hours=10)
RENEWAL = timedelta(days=7)

DATES: Mapping[str, tuple[str, str]] = {"en-US": ("{0.month}/{0.day}/{0.year}", "local"), "de-DE": ("{0:%d.%m.%Y}", "lokal")}
"""How klist writes a date (the hour has no leading zero, and no AM or PM in any language), and its word for local time."""


@dataclass(frozen=True)
class Ticket:
    """One cached ticket."""

    server: str
    """Service principal name without realm, as `krbtgt/CONTOSO.COM`."""
    start: datetime
    kdc: str
    """The domain controller that gave it, as `DC1.contoso.com`."""

    @property
    def initial(self) -> bool:
        """Whether it is a ticket-granting ticket."""
        return self.server.startswith("krbtgt/")

    @property
    def end(self) -> datetime:
        """When it ends."""
        return self.start + LIFETIME


@dataclass
class TicketCache:
    """The tickets of logon id 0x3e7, oldest first."""

    tickets: list[Ticket] = field(default_factory=list)

    def live(self, now: datetime) -> list[Ticket]:
        """Those that have not ended."""
        return [ticket for ticket in self.tickets if ticket.end > now]

    def granting(self, now: datetime) -> Ticket | None:
        """The ticket-granting ticket, if there is one."""
        return next((ticket for ticket in self.live(now) if ticket.initial), None)

    def service(self, spn: str, now: datetime) -> Ticket | None:
        """The ticket for a service, if there is one."""
        return next((ticket for ticket in self.live(now) if ticket.server.casefold() == spn.casefold()), None)

    def add(self, ticket: Ticket) -> None:
        """Keep a new ticket; an older one for the same service goes."""
        self.tickets = [old for old in self.tickets if old.server.casefold() != ticket.server.casefold()] + [ticket]

    def purge(self) -> None:
        """Forget all of them."""
        self.tickets.clear()


_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "current": "Current LogonId is 0:0x{logon:x}",
        "targeted": "Targeted LogonId is 0:0x3e7",
        "cached": "Cached Tickets: ({count})",
        "encryption": "KerbTicket Encryption Type: ",
        "flags": "Ticket Flags ",
        "start": "Start Time: ",
        "end": "End Time:   ",
        "renew": "Renew Time: ",
        "session": "Session Key Type: ",
        "cache": "Cache Flags: ",
        "kdc": "Kdc Called: ",
        "deleting": "Deleting all tickets:",
        "purged": "Ticket(s) purged!",
    },
    "de": {
        "current": "Aktuelle Anmelde-ID ist 0:0x{logon:x}",
        "targeted": "Ziel-Anmelde-ID ist 0:0x3e7",
        "cached": "Zwischengespeicherte Tickets: ({count})",
        "encryption": "KerbTicket (Verschlüsselungstyp): ",
        "flags": "Ticketkennzeichen ",
        "start": "Startzeit: ",
        "end": "Endzeit:   ",
        "renew": "Erneuerungszeit: ",
        "session": "Sitzungsschlüsseltyp: ",
        "cache": "Cachekennzeichen: ",
        "kdc": "Kdc aufgerufen: ",
        "deleting": "Alle Tickets löschen:",
        "purged": "Ticket(s) gelöscht!",
    },
}

_CIPHER = "AES-256-CTS-HMAC-SHA1-96"
_LOGON = 0x5C4B1A


def listing(cache: TicketCache, *, client: str, realm: str, culture: str, zone: timezone, now: datetime) -> list[str]:
    """What `klist -li 0x3e7` prints, line by line. `client` is the computer account's name in lower case, as `hv03$`."""
    words, tickets = _words(culture), cache.live(now)
    lines = ["", words["current"].format(logon=_LOGON), words["targeted"], "", words["cached"].format(count=len(tickets)), ""]
    for number, ticket in enumerate(tickets):
        kind = ("0x40e10000 -> forwardable renewable initial pre_authent name_canonicalize ", "0x1 -> PRIMARY ")
        if not ticket.initial:
            kind = ("0x40a50000 -> forwardable renewable pre_authent ok_as_delegate name_canonicalize ", "0 ")
        lines += [
            f"#{number}>\tClient: {client} @ {realm}",
            f"\tServer: {ticket.server} @ {realm}",
            f"\t{words['encryption']}{_CIPHER}",
            f"\t{words['flags']}{kind[0]}",
            f"\t{words['start']}{_date(ticket.start, culture, zone)}",
            f"\t{words['end']}{_date(ticket.end, culture, zone)}",
            f"\t{words['renew']}{_date(ticket.start + RENEWAL, culture, zone)}",
            f"\t{words['session']}{_CIPHER}",
            f"\t{words['cache']}{kind[1]}",
            f"\t{words['kdc']}{ticket.kdc} ",
            "",
        ]
    return lines


def purging(culture: str) -> list[str]:
    """What `klist -li 0x3e7 purge` prints."""
    words = _words(culture)
    return ["", words["current"].format(logon=_LOGON), words["targeted"], f"\t{words['deleting']}", f"\t{words['purged']}"]


def _words(culture: str) -> Mapping[str, str]:
    return _WORDS.get(culture.partition("-")[0], _WORDS["en"])


def _date(moment: datetime, culture: str, zone: timezone) -> str:
    local = moment.astimezone(zone)
    date, word = DATES.get(culture, DATES["en-US"])
    return f"{date.format(local)} {local.hour}:{local:%M:%S} ({word})"
