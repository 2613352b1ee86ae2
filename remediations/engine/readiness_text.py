"""The readiness report in words: for the terminal, and as markdown for Prefect's pages. Short for two hosts or hundreds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from remediations.engine.render import code, escape
from remediations.model.readiness import Finding, Level, Readiness, Way

MOST = 20
"""Rows of one table at most."""


def headline(report: Readiness) -> str:
    """One sentence: how many ways there are, and how many at each level."""
    if not report.ways:
        return f"{len(report.hosts)} hosts, and no way between them that a virtual machine could go live"
    said = [f"{number} {level.value}" for level, number in report.counts.items() if number]
    return f"{len(report.ways)} ways between {len(report.hosts)} hosts: {', '.join(said)}"


def all_well(report: Readiness) -> bool:
    """Whether everything that was looked at may be relied on, virtual machines too; never where there was no way to look at."""
    good = (Level.READY, Level.NOTED)
    quiet = not any(host.silent for host in report.hosts)
    return (
        quiet
        and bool(report.ways)
        and all(way.level in good for way in report.ways)
        and all(vm.level in good for vm in report.vms)
    )


def troubled(report: Readiness) -> list[tuple[str, Counter[Level], Counter[Level]]]:
    """Hosts that some way from or to is not ready at, the worst first: name, levels as a source, levels as a destination."""
    away: dict[str, Counter[Level]] = {host.name: Counter() for host in report.hosts}
    towards: dict[str, Counter[Level]] = {host.name: Counter() for host in report.hosts}
    for way in report.ways:
        away[way.source][way.level] += 1
        towards[way.destination][way.level] += 1

    def weight(name: str) -> tuple[int, ...]:
        return tuple(away[name][level] + towards[name][level] for level in (Level.FAILS, Level.UNKNOWN))

    return [(name, away[name], towards[name]) for name in sorted(away, key=weight, reverse=True) if any(weight(name))]


def signs(levels: Counter[Level]) -> str:
    """How many at each level, as `✗ 3  ? 1`."""
    return "  ".join(f"{level.sign} {levels[level]}" for level in Level if levels[level])


def changes(report: Readiness) -> Iterator[str]:
    """What has changed since the last report, a line each."""
    changed = report.changed
    if changed is None:
        return
    when = f"since {changed.since:%Y-%m-%d %H:%M} UTC"
    if not (changed.lost or changed.regained or changed.appeared or changed.gone):
        yield f"Nothing has changed {when}."
    if changed.lost:
        yield f"No longer ready {when}: {_listed([_arrow(way) for way in changed.lost])}."
    if changed.regained:
        yield f"Ready again {when}: {_listed([_arrow(way) for way in changed.regained])}."
    if changed.appeared:
        yield f"New {when}: {_listed([report.by_id[each].title for each in changed.appeared if each in report.by_id])}."
    if changed.gone:
        yield f"Gone {when}: {_listed(changed.gone)}."


def markdown(report: Readiness) -> str:
    """The report for Prefect's pages: what changed, what to mend first with its commands, and where it is."""
    parts = [f"# Readiness: {escape(headline(report))}", *(escape(line) for line in changes(report))]
    if all_well(report) and not report.findings:
        parts.append("Everything that was looked at is right.")
    parts += [_section(finding, report.concerned.get(finding.id, 0)) for finding in report.findings[:MOST]]
    if len(report.findings) > MOST:
        parts.append(f"And {len(report.findings) - MOST} more findings: `remediate readiness` shows all of them.")
    rows = troubled(report)
    if rows:
        table = ["| host | away from it | to it |", "| --- | --- | --- |"]
        table += [f"| {escape(name)} | {signs(away)} | {signs(towards)} |" for name, away, towards in rows[:MOST]]
        legend = ", ".join(f"{level.sign} {level.value}" for level in Level)
        more = f"\n\nAnd {len(rows) - MOST} more hosts." if len(rows) > MOST else ""
        parts.append(f"## Where\n\n{legend}\n\n" + "\n".join(table) + more)
    return "\n\n".join(parts)


def _section(finding: Finding, concerned: int) -> str:
    lines = [f"## {finding.level.sign} {escape(finding.title)}", f"{finding.level.value}; concerns {concerned} ways"]
    lines += [escape(why) for why in finding.why]
    lines += [f"On {escape(line.host)}: {code(line.command)}" for line in finding.lines]
    lines += [f"{number}. {escape(line)}" for number, line in enumerate(finding.instructions, 1)]
    lines += [f"Blocked: {escape(each)}" for each in finding.blocked]
    return "\n\n".join(lines)


def _arrow(way: Way) -> str:
    return f"{way.source} → {way.destination}"


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
