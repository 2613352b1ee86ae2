"""Names that commands may be aimed at. An empty name, a wildcard or a quote never gets past construction.

A selector that matches more than one thing is the classic way for automation to do harm, so every name that ends up in a
command is one of these types, and their errors say what was wrong and what would be right.
"""

from __future__ import annotations

import re
import typing
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_WILDCARDS = re.compile(r"[*?\[\]`]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_EVERYTHING = frozenset({"all", "any"})


def _computer(kind: str, example: str, value: str) -> str:
    if value.casefold() in _EVERYTHING or not _HOST.fullmatch(value) or len(value) > 255:
        raise ValueError(f"{value!r} is no {kind}: letters, digits, hyphens and dots, as in {example}; one name, no wildcard")
    return value


def _host(value: str) -> str:
    return _computer("host name", "HV01 or hv01.contoso.com", value)


def _cluster(value: str) -> str:
    return _computer("cluster name", "CLUSTER1", value)


def _vm(value: str) -> str:
    if not value.strip() or value != value.strip():
        raise ValueError(f"{value!r} is no virtual machine name: it is empty or has spaces around it")
    if value.casefold() in _EVERYTHING or _WILDCARDS.search(value):
        raise ValueError(f"{value!r} could match more than one virtual machine: give one name without * ? [ ] `")
    if len(value) > 100 or _CONTROLS.search(value):
        raise ValueError("a virtual machine name has at most 100 characters and no control characters")
    return value


HostName = Annotated[str, AfterValidator(_host)]
"""A computer name, NetBIOS or fully qualified, as `HV01` or `hv01.contoso.com`."""

ClusterName = Annotated[str, AfterValidator(_cluster)]
"""The name of a failover cluster, as `CLUSTER1`."""

VmName = Annotated[str, AfterValidator(_vm)]
"""The name of one virtual machine: any text Hyper-V takes, without PowerShell's wildcard characters."""


def names_in(hint: Any, kind: Any) -> bool:
    """Whether an annotation is, or holds, this kind of name: `HostName`, `HostName | None`, `tuple[HostName, ...]`."""
    return hint == kind or any(names_in(each, kind) for each in typing.get_args(hint))


_MACHINE_ID = re.compile(r"(?<![0-9A-F-])[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}(?![0-9A-F-])", re.IGNORECASE)


def ids_in(text: str) -> set[str]:
    """The ids of virtual machines that stand in a text, in lower case."""
    return {found.casefold() for found in _MACHINE_ID.findall(text)}


def same_name(one: str, other: str) -> bool:
    """Whether two names mean the same thing to Windows, which compares them without case."""
    return one.casefold() == other.casefold()


def same_person(one: str, other: str) -> bool:
    """Whether two names mean the same person: case, spaces and the way an accent is written do not make another one."""
    return person(one) == person(other)


def person(name: str) -> str:
    """A person's name in the one spelling in which names are compared."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def short_name(host: str) -> str:
    """The first label of a host name: `hv01.contoso.com` gives `hv01`."""
    return host.partition(".")[0]


def same_host(one: str, other: str) -> bool:
    """Whether two host names mean the same computer: equal without case, or one is the other's short name."""
    one, other = one.casefold(), other.casefold()
    return one == other or (("." in one) != ("." in other) and short_name(one) == short_name(other))


def full_name(host: str, domain: str) -> str:
    """The fully qualified name, lower case, of a host of which one without a dot is in `domain`."""
    return (host if "." in host else f"{host}.{domain}").lower()


def means(name: str, host: str, domain: str) -> bool:
    """Whether `name` is a name of the inventory's `host`: its first label, or its name in full with no other domain's."""
    return full_name(name, domain) == full_name(host, domain) or same_name(name, short_name(host))


T = TypeVar("T")


class ByHost(Generic[T]):
    """What belongs to computers, found by any name that `same_host` takes for one of theirs; the first of several wins."""

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, tuple[int, T]] = {}
        self._short: dict[str, tuple[int, T]] = {}
        for place, (name, value) in enumerate(named):
            folded = name.casefold()
            self._exact.setdefault(folded, (place, value))
            if "." in folded:
                self._short.setdefault(short_name(folded), (place, value))

    def get(self, name: str) -> T | None:
        """The one of this name; None if there is none."""
        folded = name.casefold()
        other = self._exact.get(short_name(folded)) if "." in folded else self._short.get(folded)
        found = [each for each in (self._exact.get(folded), other) if each is not None]
        return min(found, key=lambda each: each[0])[1] if found else None
