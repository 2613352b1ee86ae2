"""What a host takes another one's name for: as its programs see it, past its hosts file, remembered, and as DNS serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import many, texts
from remediations.model.command import Command, command
from remediations.model.fact import Fact
from remediations.model.names import same_name
from remediations.model.plan import Target
from remediations.model.reply import Reply
from remediations.model.site import Site

_NOT_THERE = ("DNS_ERROR_RCODE_NAME_ERROR", "DNS_ERROR_RECORD_DOES_NOT_EXIST", "DNS_INFO_NO_RECORDS")
"""Resolve-DnsName's error ids for "there is no such name", which is an answer."""


_SILENT = "ERROR_TIMEOUT"
"""Its error id where none of the DNS servers answered: every name that is asked for takes that long again."""


class NameView(Fact):
    """One name as one host sees it; `subject` is host/name."""

    host: str
    name: str
    """Fully qualified."""
    seen: frozenset[str]
    """Addresses that programs on the host get; none if the name is not found."""
    past_hosts_file: frozenset[str]
    """What they would get without the host's hosts file."""
    remembered: bool
    """Whether the DNS client's cache has the name, found or not found."""
    served: frozenset[str] | None
    """What the domain controller's DNS server answers this host; None if it did not, or the site names none."""

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.host, id=self.host.casefold())


class NamesSeen(Fact):
    """What programs on one host get for many names; `subject` is the host."""

    found: Mapping[str, frozenset[str]]
    """Full name → addresses, none if it is not found. A name that could not be asked for is left out."""
    unanswered: str = ""
    """Why no further name can be asked for, since no DNS server answered; empty if one did."""


def names_seen(host: str, names: tuple[str, ...]) -> Query[NamesSeen]:
    """Asks `host` for full names as its programs would find them, all in one command of the module."""
    return Query(host, (_all(names),), partial(_names_seen, host))


def names_seen_each(host: str, names: tuple[str, ...]) -> Query[NamesSeen]:
    """The same of a host without the module: a command for each name, the first of what `name_view` asks."""
    return Query(host, tuple(command("Resolve-DnsName", Name=name) for name in names), partial(_names_seen_each, host, names))


@lru_cache(maxsize=64)
def _all(names: tuple[str, ...]) -> Command:
    """One object for all hosts that are asked for the same names."""
    return command("Get-RemediationName", Name=names)


def name_view(host: str, peer: str, site: Site) -> Query[NameView]:
    """Asks `host` what it takes `peer`'s full name for."""
    name = site.fqdn(peer)
    reads = [command("Resolve-DnsName", Name=name), command("Resolve-DnsName", Name=name, NoHostsFile=True)]
    reads.append(command("Get-DnsClientCache"))
    if site.controller:
        reads.append(command("Resolve-DnsName", Name=name, Server=(site.controller,)))
    return Query(host, tuple(reads), partial(_name_view, host, name))


def unresolvable(host: str, why: str) -> str:
    """What is said of a host whose DNS servers do not answer."""
    servers = "its DNS servers do not answer; see Get-DnsClientServerAddress there, and whether it reaches them on port 53"
    return f"names cannot be resolved on {host}: {servers} ({why})"


def _names_seen(host: str, replies: Sequence[Reply]) -> NamesSeen:
    told = {str(each["Name"]): each for each in many(replies[0])}
    answered = {name: each for name, each in told.items() if not each["Error"] or str(each["Error"]).startswith(_NOT_THERE)}
    found = {name: frozenset(texts(each["Addresses"])) for name, each in answered.items()}
    mute = next((name for name, each in told.items() if str(each["Error"] or "").startswith(_SILENT)), None)
    return NamesSeen(subject=host, found=found, unanswered=unresolvable(host, f"{mute}: {_SILENT}") if mute else "")


def _names_seen_each(host: str, names: tuple[str, ...], replies: Sequence[Reply]) -> NamesSeen:
    answered = (pair for pair in zip(names, replies, strict=True) if pair[1].ok or _is_answer(pair[1]))
    mute = next((name for name, reply in zip(names, replies, strict=True) if _is_silence(reply)), None)
    found = {name: _addresses(host, reply) for name, reply in answered}
    return NamesSeen(subject=host, found=found, unanswered=unresolvable(host, f"{mute}: {_SILENT}") if mute else "")


def _name_view(host: str, name: str, replies: Sequence[Reply]) -> NameView:
    served = replies[3] if len(replies) > 3 else None
    return NameView(
        subject=f"{host}/{name}",
        host=host,
        name=name,
        seen=_addresses(host, replies[0]),
        past_hosts_file=_addresses(host, replies[1]),
        remembered=any(same_name(str(each["Entry"]).rstrip("."), name) for each in many(replies[2])),
        served=_addresses(host, served) if served is not None and (served.ok or _is_answer(served)) else None,
    )


def _addresses(host: str, reply: Reply) -> frozenset[str]:
    """The addresses of a reply; records of other types (an alias, a zone's authority) are left out."""
    if _is_silence(reply):
        raise Unreadable(unresolvable(host, reply.errors[0].message))
    if not reply.ok and not _is_answer(reply):
        raise Unreadable(reply.errors[0].message)
    return frozenset(str(each["IPAddress"]) for each in reply.objects if each.get("IPAddress"))


def _is_answer(reply: Reply) -> bool:
    return all(error.error_id.startswith(_NOT_THERE) for error in reply.errors)


def _is_silence(reply: Reply) -> bool:
    return any(error.error_id.startswith(_SILENT) for error in reply.errors)
