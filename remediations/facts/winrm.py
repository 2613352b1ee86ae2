"""The management channel of a host as other hosts use it: WinRM's listeners, trusted hosts, and WinHTTP's proxy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import flag, lacks_command, one, texts
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import same_host
from remediations.model.plan import Target
from remediations.model.reply import Reply

_PROXY = 0x2
"""Flag of WinHttpSettings: a proxy is used (WINHTTP_ACCESS_TYPE_NAMED_PROXY)."""
_LOCAL = "<local>"


class ManagementChannel(Fact):
    """WinRM on a host; `subject` is the host."""

    joined: bool
    """Whether the host belongs to a domain: only then does Kerberos prove who the other is."""
    transports: frozenset[str]
    """Transports of the listeners that are enabled: HTTP (5985, which Windows uses between hosts), HTTPS."""
    trusted: frozenset[str]
    """TrustedHosts: names that the host's WinRM client takes without Kerberos; patterns, and `<local>`, among them."""
    trusted_by_policy: bool
    """Whether a group policy sets TrustedHosts: the list cannot be changed then."""
    proxy: str
    """WinHTTP's proxy, as server:port; empty without one."""
    bypass: tuple[str, ...]
    """What goes past the proxy: patterns, and `<local>` for names without a dot."""

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())

    def trusts(self, name: str) -> bool:
        """Whether a host is on the list, by its short or its full name, or covered by a pattern of it."""
        return any(same_host(each, name) for each in self.trusted) or _covered(name, self.trusted)

    def goes_past_proxy(self, name: str) -> bool:
        """Whether connections to a name do not go to the proxy."""
        return not self.proxy or _covered(name, self.bypass)


@asked_often
def management_channel(host: str) -> Query[ManagementChannel]:
    """Reads WinRM's settings through the module; `NotApplicable` if the host has none that can."""
    reads = (command("Get-RemediationWinRM"), command("Get-CimInstance", ClassName="Win32_ComputerSystem"))
    return Query(host, reads, partial(_channel, host))


def _covered(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of these patterns covers a name; `<local>` covers those without a dot."""
    folded = [each.casefold() for each in patterns]
    return (_LOCAL in folded and "." not in name) or any(fnmatchcase(name.casefold(), each) for each in folded)


def _channel(host: str, replies: Sequence[Reply]) -> ManagementChannel | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{host} does not offer Get-RemediationWinRM, a function of our module")
    record = one(replies[0])
    proxy, bypass = _winhttp(record["WinHttp"])
    listeners = [each.split() for each in texts(record["Listeners"])]
    return ManagementChannel(
        subject=host,
        joined=flag(one(replies[1]), "PartOfDomain"),
        transports=frozenset(each[0].upper() for each in listeners if len(each) > 1 and each[1].casefold() == "true"),
        trusted=frozenset(each.strip() for each in str(record["TrustedHosts"] or "").split(",") if each.strip()),
        trusted_by_policy=flag(record, "TrustedHostsByPolicy"),
        proxy=proxy,
        bypass=bypass,
    )


def _winhttp(value: object) -> tuple[str, tuple[str, ...]]:
    """The registry's WinHttpSettings: size, counter, flags, then length and text of the proxy and of the bypass list."""
    if not value:
        return "", ()
    data = (
        value if isinstance(value, bytes) else bytes(int(each) for each in value) if isinstance(value, (list, tuple)) else b""
    )
    try:
        flags, length = int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")
        proxy, rest = data[16 : 16 + length].decode("ascii"), data[16 + length :]
        size = int.from_bytes(rest[:4], "little")
        bypass = rest[4 : 4 + size].decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable(f"WinHttpSettings is not what is documented: {error}") from None
    if not data or len(rest) < 4 + size:
        raise Unreadable("WinHttpSettings is not what is documented: it is too short")
    return (proxy, tuple(each for each in bypass.split(";") if each)) if flags & _PROXY else ("", ())
