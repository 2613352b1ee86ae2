"""`site.yaml`: defaults filled in, names checked against each other, every mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from remediations.model.names import full_name, means, same_host, same_name, short_name
from remediations.model.site import Endpoint, Site
from remediations.settings.document import Entry, read
from remediations.settings.fields import one_of, refused, shown
from remediations.settings.problem import ConfigError, Problem

Inspect = Callable[[Endpoint], Iterable[str]]


def load_site(path: Path) -> Site:
    """The inventory of a `site.yaml`. Raises `ConfigError` with everything that is wrong with it.

    A host's `endpoint` inherits what it leaves out from `defaults: endpoint:`; its `address` is the host's fully qualified
    name, and its `port` the transport's own, where neither gives one. Files are named relative to the file's directory.
    """
    site, problems = read_site(path)
    if site is None or problems:
        raise ConfigError(problems)
    return site


def read_site(path: Path, inspect: Inspect = lambda endpoint: ()) -> tuple[Site | None, list[Problem]]:
    """The inventory, if one could be made, and everything that is wrong with its file, in the file's order.

    `inspect` says what else is wrong with an endpoint on this machine, in sentences that begin with the field's name.
    """
    top, problems = read(path)
    if top is None:
        return None, problems
    file, whole, site = str(path), _filled(top, path.absolute().parent), None
    try:
        site = Site.model_validate(whole.plain)
    except ValidationError as error:
        details = [detail for detail in error.errors() if detail["loc"]]  # what Site compares is compared below, with lines
        problems += refused(file, whole, Site, [*details, *_hidden(whole, details)])
    problems += _defaults(file, top)
    problems += _names(file, whole)
    problems += _endpoints(file, whole)
    if site is not None:
        places = {(problem.line, problem.column) for problem in problems}
        found = _inspected(file, whole, site, inspect)
        problems += [problem for problem in found if (problem.line, problem.column) not in places]
    once = dict.fromkeys(problems)  # what stands under defaults: is refused for each host that inherits it
    return site, sorted(once, key=lambda problem: (problem.line, problem.column))


def _filled(top: Entry, directory: Path) -> Entry:
    """The file's mapping as `Site` takes it: defaults merged into each host, each value still with its own place."""
    base = _below(top, "defaults", "endpoint")
    domain = top.child("domain")
    suffix = f".{domain.value}" if domain is not None and isinstance(domain.value, str) else ""
    filled = {key: entry for key, entry in top.entries.items() if key != "defaults"}
    for group in ("hosts", "controllers"):
        if group in filled and filled[group].items:
            hosts = tuple(_host(item, base, suffix, directory) for item in filled[group].items)
            filled[group] = replace(filled[group], value=hosts)
    return replace(top, value=filled)


def _below(top: Entry, *path: str) -> Entry | None:
    entry, rest = top.nearest(path)
    return None if rest else entry


def _host(host: Entry, base: Entry | None, suffix: str, directory: Path) -> Entry:
    own = host.child("endpoint")
    if own is None or own.value is None:
        own = base
    if own is None or not isinstance(own.value, Mapping) or not isinstance(host.value, Mapping):
        return host
    endpoint = replace(own, value={**(base.entries if base else {}), **own.entries})
    if "address" not in endpoint.entries:
        name = host.child("name")
        short = name.value if name is not None and isinstance(name.value, str) else "-"  # that it is missing is told by itself
        endpoint = endpoint.put("address", (short if "." in short else f"{short}{suffix}").lower())
    transport = endpoint.child("transport")
    if "port" not in endpoint.entries and transport is not None and transport.value == "http":
        endpoint = endpoint.put("port", 5985)
    for key in ("authority", "certificate", "certificate_key"):
        endpoint = _absolute(endpoint, key, directory)
    password = endpoint.child("password")
    if password is not None and "file" in password.entries:
        endpoint = endpoint.put("password", _absolute(password, "file", directory))
    return host.put("endpoint", endpoint)


def _absolute(mapping: Entry, key: str, directory: Path) -> Entry:
    entry = mapping.child(key)
    if entry is None or not isinstance(entry.value, str) or not entry.value:
        return mapping
    return mapping.put(key, replace(entry, value=str(directory / entry.value)))


def _hidden(whole: Entry, details: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """What an endpoint's own check would say, where it was not reached because an unrelated field is wrong."""
    related = {"authentication", "transport", "username", "password", "certificate", "certificate_key"}
    wrong: dict[tuple[str | int, ...], set[str]] = {}
    for detail in details:
        if len(detail["loc"]) > 3 and detail["loc"][2] == "endpoint":
            wrong.setdefault(detail["loc"][:3], set()).add(str(detail["loc"][3]))
    for place, fields in wrong.items():
        if not fields & related:
            given = whole.nearest(place)[0].plain
            try:
                Endpoint.model_validate({"address": "-"} | {key: given[key] for key in given if key not in fields})
            except ValidationError as error:
                for detail in error.errors():
                    detail["loc"] = (*place, *detail["loc"])
                    yield detail


def _defaults(file: str, top: Entry) -> Iterator[Problem]:
    defaults = top.child("defaults")
    if defaults is None:
        return
    if not isinstance(defaults.value, Mapping):
        yield defaults.problem(file, f"{shown(defaults.plain)} is no mapping", "write endpoint: below it, or take it out")
    for key, entry in defaults.entries.items():
        if key != "endpoint":
            yield entry.problem(file, f"{shown(key)} is not known here", one_of(key, ["endpoint"]))
        elif not isinstance(entry.value, Mapping):
            yield entry.problem(file, "this is no mapping", "write what the hosts' endpoints share as `key: value` entries")


def _names(file: str, whole: Entry) -> Iterator[Problem]:
    """Names that are listed twice, and names of hosts that are not listed."""
    listed = [entry for group in ("hosts", "controllers") for entry in _named(whole.child(group))]
    told = whole.child("domain")
    domain = str(told.value) if told is not None else ""
    yield from _alike(file, listed, domain)
    yield from _twice(file, _named(whole.child("clusters")), "list each cluster once")
    hosts = [str(entry.value) for entry in _named(whole.child("hosts"))]
    groups = [whole.child(group) for group in ("clusters", "hosts")]
    each = [item for group in groups if group is not None for item in group.items]
    nodes = [node for item in each if (below := item.child("nodes")) is not None for node in _texts(below)]
    owners = [
        owner for item in each if (below := _below(item, "expect", "possible_owners")) is not None for owner in _texts(below)
    ]
    yield from _twice(file, nodes, "a host is a node of one cluster")
    for entry in (*nodes, *owners):
        if not any(means(str(entry.value), host, domain) for host in hosts):
            yield entry.problem(
                file,
                f"{shown(entry.value)} is not one of the hosts",
                f"list it under hosts:, or {one_of(str(entry.value), hosts)}",
            )

    named = [entry for entry in _named(whole.child("hosts")) if any(same_host(str(entry.value), str(n.value)) for n in nodes)]
    for entry in (*nodes, *named):
        if "." in str(entry.value):
            right = f"write {short_name(str(entry.value))}"
            yield entry.problem(
                file, f"{shown(entry.value)} is a full name: a cluster knows its nodes by their short ones", right
            )


def _named(group: Entry | None) -> list[Entry]:
    """The `name` entries of a list's items, where they are text."""
    names = [] if group is None else [item.child("name") for item in group.items]
    return [name for name in names if name is not None and isinstance(name.value, str)]


def _texts(names: Entry) -> list[Entry]:
    return [item for item in names.items if isinstance(item.value, str)]


def _twice(file: str, names: Iterable[Entry], right: str) -> Iterator[Problem]:
    seen: list[Entry] = []
    for entry in sorted(names, key=lambda each: (each.line, each.column)):
        first = next((other for other in seen if same_host(str(other.value), str(entry.value))), None)
        if first is None:
            seen.append(entry)
        else:
            yield entry.problem(file, f"{shown(entry.value)} is listed twice, first in line {first.line}", right)


def _alike(file: str, names: Iterable[Entry], domain: str) -> Iterator[Problem]:
    """Computers that are listed twice, or that alerts, events and account names would call the same."""
    seen: list[Entry] = []
    for entry in sorted(names, key=lambda each: (each.line, each.column)):
        name = str(entry.value)
        first = next((other for other in seen if same_name(short_name(str(other.value)), short_name(name))), None)
        if first is None:
            seen.append(entry)
        elif full_name(name, domain) == full_name(str(first.value), domain):
            wrong = f"{shown(entry.value)} is listed twice, first in line {first.line}"
            yield entry.problem(file, wrong, "list each host and controller once")
        else:
            wrong = f"{shown(entry.value)} has the short name of {shown(first.value)} in line {first.line}"
            yield entry.problem(file, wrong, "list hosts of another domain in a site.yaml of their own")


_HOPS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "credssp": (("credssp",), "write authentication: credssp, or second_hop: none"),
    "delegated": (("kerberos", "negotiate"), "write authentication: kerberos, or second_hop: none"),
}


def _endpoints(file: str, whole: Entry) -> Iterator[Problem]:
    """What each endpoint's fields say of each other, beyond what the model refuses."""
    for group in ("hosts", "controllers"):
        listed = whole.child(group)
        for host in listed.items if listed is not None else ():
            endpoint = host.child("endpoint")
            if endpoint is None:
                continue
            hop = endpoint.child("second_hop")
            given = endpoint.plain if isinstance(endpoint.value, Mapping) else {}
            if hop is not None and isinstance(hop.value, str) and hop.value in _HOPS:
                carriers, right = _HOPS[hop.value]
                authentication = given.get("authentication", "negotiate")
                if authentication not in carriers:
                    yield hop.problem(file, f"authentication {shown(authentication)} cannot carry this second hop", right)
            if hop is not None and hop.value == "gmsa" and given.get("configuration", _PLAIN) == _PLAIN:
                right = "name the session configuration that runs as the gMSA: configuration: NAME"
                yield hop.problem(file, f"the session configuration {_PLAIN} does not run as a gMSA", right)
            variable = _below(endpoint, "password", "env")
            if variable is not None and isinstance(variable.value, str) and not _VARIABLE.fullmatch(variable.value):
                right = "write a name of letters, digits and _, as REMEDIATE_PASSWORD; never the secret itself"
                yield variable.problem(file, "this is no name of an environment variable", right)


def _inspected(file: str, whole: Entry, site: Site, inspect: Inspect) -> Iterator[Problem]:
    for group, hosts in (("hosts", site.hosts), ("controllers", site.controllers)):
        for index, host in enumerate(hosts):
            for sentence in inspect(host.endpoint):
                field, _, said = sentence.partition(": ")
                entry = whole.nearest((group, index, "endpoint", field))[0]
                wrong, _, right = said.rpartition(": pip install ")
                if wrong:
                    yield entry.problem(file, wrong, f"run pip install {right}")
                else:
                    yield entry.problem(file, said, "mend this entry, or the file that it names")


_PLAIN = "Microsoft.PowerShell"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
