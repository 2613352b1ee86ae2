"""`policy.yaml`: every mistake with its line, names checked against the inventory and the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from remediations.model.names import same_host
from remediations.model.policy import Gate, Policy, too_loose
from remediations.model.site import Site
from remediations.model.tier import Tier
from remediations.settings.document import Entry, read
from remediations.settings.fields import one_of, refused, shown
from remediations.settings.problem import ConfigError, Problem


def load_policy(path: Path) -> Policy:
    """The policy of a `policy.yaml`. Raises `ConfigError` with everything that is wrong with it."""
    policy, problems = read_policy(path)
    if policy is None or problems:
        raise ConfigError(problems)
    return policy


def read_policy(
    path: Path, site: Site | None = None, remediations: Mapping[str, Tier] | None = None
) -> tuple[Policy | None, list[Problem]]:
    """The policy, if one could be made, and everything that is wrong with its file, in the file's order.

    With a site, the clusters and hosts that rules name must be in it; with the remediations' tiers by id, the same for
    them. A rule with a misspelt name would otherwise guard nothing, and nobody would see it.
    """
    top, problems = read(path)
    if top is None:
        return None, problems
    file, policy = str(path), None
    try:
        policy = Policy.model_validate(top.plain)
    except ValidationError as error:
        problems += refused(file, top, Policy, error.errors())
    if site is not None:
        clusters = [cluster.name for cluster in site.clusters]
        problems += _unknown(file, _rules(top, "hosts"), [host.name for host in site.all_hosts()])
        problems += _unknown(file, _rules(top, "clusters"), clusters)
        problems += _unknown(file, _rules(top, "clusters", below="maintenance"), clusters)
    if remediations is not None:
        problems += _unknown(file, _rules(top, "remediations"), remediations)
        problems += _loose(file, _rules(top, "remediations"), remediations)
    return policy, sorted(problems, key=lambda problem: (problem.line, problem.column))


def _rules(top: Entry, kind: str, below: str = "gates") -> Mapping[str, Entry]:
    entry, rest = top.nearest((below, kind))
    return {} if rest else entry.entries


def _unknown(file: str, rules: Mapping[str, Entry], known: Iterable[str]) -> Iterator[Problem]:
    names = list(known)
    for name, entry in rules.items():
        if not any(same_host(name, each) for each in names):
            yield entry.problem(file, f"{shown(name)} is not known: this rule would hold for nothing", one_of(name, names))


def _loose(file: str, rules: Mapping[str, Entry], tiers: Mapping[str, Tier]) -> Iterator[Problem]:
    for name, entry in rules.items():
        if name in tiers and entry.value in tuple(Gate):
            mistake = too_loose(tiers[name], Gate(str(entry.value)))
            if mistake is not None:
                wrong, _, right = mistake.partition("; ")
                yield entry.problem(file, wrong, right)
