"""Plans, reasons and reports as people read them: markdown for Prefect's pages, and the same words for the terminal.

Everything that came from an alert or a host is escaped: markdown of ours is drawn in an approver's browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from remediations.engine.ports import Considered, Report
from remediations.model.fact import Change, in_words
from remediations.model.outcome import Ending
from remediations.model.plan import Blocked, Carried, Item, Manual, Plan, Satisfied, Step, Verdict, Wait
from remediations.model.tier import Proof, Reversal

if TYPE_CHECKING:
    from remediations.engine.propose import Proposal

_MARKED = re.compile(r"([\\`*_{}\[\]<>|#!~$&@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What has a meaning in markdown; and what makes Prefect's pages take a bare address for a link."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

VERDICT_WORDS = {
    Verdict.PRESENT: "proven by the facts",
    Verdict.UNKNOWN: "could not be decided",
    Verdict.ABSENT: "ruled out",
    None: "not decided",
}

ENDING_MARKS = {
    Ending.MENDED: "✅",
    Ending.NOTHING_TO_DO: "✅",
    Ending.PROPOSED: "📋",
    Ending.NEEDS_PERSON: "🙋",
    Ending.REFUSED: "⛔",
    Ending.UNDONE: "↩️",
    Ending.FAILED: "❌",
}


def escape(text: str) -> str:
    """Text from outside, harmless in markdown: nothing of it is a link, an image, a tag or a heading."""
    return _MARKED.sub(r"\\\1", _CONTROL.sub(" ", text)).replace("\n", " ")


def code(text: str) -> str:
    """Text as code that it cannot leave: in the line, so that a long command wraps and is seen whole."""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence} {_CONTROL.sub(' ', text)} {fence}" if len(fence) > 1 else f"`{_CONTROL.sub(' ', text)}`"


def _cell(text: str) -> str:
    """Text as code in a table, where a bar would end its cell."""
    return code(text.replace("|", "\\|"))


def short_digest(digest: str) -> str:
    """The first eight characters in two groups, as people compare them."""
    return f"{digest[:4]} {digest[4:8]}"


def change_words(change: Change) -> tuple[str, str]:
    """Before and after of one field, in words."""
    if change.members:
        gone, come = in_words(change.before), in_words(change.after)
        before = f"has {gone}" if change.before else f"without {come}"
        after = f"with {come}" if change.after else f"without {gone}"
        return before, after
    return in_words(change.before), in_words(change.after)


def _steps_first(plan: Plan) -> list[Item]:
    """What would be done, in its order, then what is already right: in a small window the commands are what is seen."""
    return sorted(plan.items, key=lambda item: isinstance(item, Satisfied))


def plan_markdown(plan: Plan) -> str:
    """A whole plan: head, numbered steps with command and before → after, and every other item with its reason."""
    head = (
        f"### {escape(plan.title)}\n\ntier {plan.tier} · undo: {plan.reversal.value} · digest **{short_digest(plan.digest)}**"
    )
    lines, number = [head], 0
    for item in _steps_first(plan):
        if isinstance(item, Step):
            number += 1
            lines.append(
                f"**{number}. {escape(item.target.name)}** ({item.target.kind}, on {escape(item.host)}): {escape(item.why)}"
            )
            lines.append(code(item.command.text))
            lines += [f"carries {_carried(each)}: in memory only, never shown" for each in item.carries]
            rows = [
                f"| {escape(change.field.replace('_', ' '))} | {escape(b)} | {escape(a)} |"
                for change in item.changes
                for b, a in [change_words(change)]
            ]
            lines.append("\n".join(["| what | before | after |", "|---|---|---|", *rows]))
            if item.guards:
                lines.append("only while: " + "; ".join(escape(guard.text) for guard in item.guards))
            lines.append(f"undo: {code(item.undo.text)}" if item.undo else f"undo: {_no_undo(plan)}")
        else:
            lines.append(item_line(item))
    return "\n\n".join(lines)


def _carried(each: Carried) -> str:
    return f"what {escape(each.host)} hands out for {code(each.command.text)}"


def _no_undo(plan: Plan) -> str:
    """What stands where a step has no undo: whoever approves an irreversible one is told so at that very step."""
    return "**none: this cannot be undone**" if plan.reversal is Reversal.IRREVERSIBLE else "none needed"


def item_line(item: Satisfied | Wait | Blocked | Manual) -> str:
    """One item that is no step, as a line of markdown."""
    if isinstance(item, Satisfied):
        return f"✓ {escape(item.why)}"
    if isinstance(item, Wait):
        until = "; ".join(escape(guard.text) for guard in item.until)
        return f"⏳ {escape(item.why)} (until {until}; looked at every {item.poll:g} s, at most {item.at_most:g} s)"
    if isinstance(item, Blocked):
        return f"⛔ {item.obstacle.value}: {escape(item.why)}"
    steps = "\n".join(f"{number}. {escape(text)}" for number, text in enumerate(item.instructions, 1))
    return f"🙋 {escape(item.why)}\n\n{steps}"


def plan_text(plan: Plan) -> str:
    """A whole plan for the terminal."""
    reversal = {"exact": "can be undone exactly", "irreversible": "cannot be undone"}.get(
        plan.reversal.value, f"undo: {plan.reversal.value}"
    )
    lines, number = [f"{plan.title} · tier {plan.tier} · {reversal} · digest {short_digest(plan.digest)}"], 0
    for item in _steps_first(plan):
        if isinstance(item, Step):
            number += 1
            lines.append(f"{number:>2}  {item.target.name} ({item.target.kind}): {item.why}")
            for change in item.changes:
                before, after = change_words(change)
                lines.append(f"    {change.field.replace('_', ' ')}: {before} → {after}")
            lines.append(f"    on {item.host}: {item.command.text}")
            lines += [f"    carries, in memory only: {each.command.text} from {each.host}" for each in item.carries]
            undo = item.undo.text if item.undo else _no_undo(plan).strip("*")
            lines.append(f"    undo: {undo}")
        elif isinstance(item, Satisfied):
            lines.append(f" ✓  {item.why}")
        elif isinstance(item, Wait):
            lines.append(f" …  {item.why} (at most {item.at_most:g} s)")
        elif isinstance(item, Blocked):
            lines.append(f" ✗  {item.obstacle.value}: {item.why}")
        else:
            lines += [f" !  {item.why}", *(f"      {number}. {text}" for number, text in enumerate(item.instructions, 1))]
    return "\n".join(lines)


def considered_line(considered: Considered) -> str:
    """One cause that was looked at: verdict, why, and what had suggested it; of one that is ruled out not what did."""
    hypothesis = considered.hypothesis
    how = ""
    presumed = considered.plan is not None and considered.plan.proof is Proof.EXCLUSION and not hypothesis.weak
    if presumed and considered.verdict is Verdict.PRESENT:
        how = " (presumed: what is left after the others)"
    said = f"- **{escape(hypothesis.cause.value)}**: {verdict_words(considered)}{how}. {escape(considered.why)}"
    if considered.verdict is Verdict.ABSENT:
        return said
    return f"{said} _(suggested by: {'; '.join(escape(each) for each in hypothesis.evidence[:3])})_"


def verdict_words(considered: Considered) -> str:
    """What the facts say of a cause, in words. One that only words point to is never proven by what looks like it."""
    if considered.hypothesis.weak and considered.verdict is Verdict.PRESENT:
        by_name = f"; ask for {considered.plan.remediation} by name if it is it" if considered.plan else ""
        return f"the facts look like it, but only words point to it, so nothing is planned{by_name}"
    return VERDICT_WORDS[considered.verdict]


_FIRST = (Verdict.PRESENT, Verdict.UNKNOWN, None, Verdict.ABSENT)


def why_markdown(proposal: Proposal) -> str:
    """Why this plan: causes considered, what the facts say of each, what else was seen, as whom the hosts were read."""
    # What is proven stands above what was ruled out on the way to it: whoever is woken reads the first lines.
    ranked = sorted(proposal.considered, key=lambda each: _FIRST.index(each.verdict))
    lines = [considered_line(each) for each in ranked] or ["Nothing that is known points to a cause."]
    lines += [f"- also seen, not on this failure's path: {escape(plan.title)}" for plan in proposal.also_seen]
    lines += [f"- **{escape(told)}**" for told in (proposal.override, proposal.elsewhere) if told]
    lines += [f"- **event log not read**: {escape(each)}" for each in proposal.evidence.unread]
    if proposal.seen_as:
        lines.append(f"\nread as {'; '.join(escape(who) for who in _read_as(proposal.seen_as.values()))}")
    return "\n".join(lines)


def _read_as(seen_as: Iterable[str]) -> list[str]:
    """As whom hosts were read, each account once: `X at HV01, configuration C` and `X at HV02, configuration C` are one."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in sorted(set(seen_as)):
        who, _, rest = each.partition(" at ")
        host, _, how = rest.partition(", ")
        found.setdefault((who, how), []).append(host)
    return [f"{who} at {', '.join(hosts)}{f', {how}' if how else ''}" for (who, how), hosts in found.items()]


def report_markdown(report: Report, proposal: Proposal | None) -> str:
    """The report of a run, one page: what happened, cause and proof, what was changed, how verified, how long, how to undo."""
    outcome = report.outcome
    mark = ENDING_MARKS[outcome.ending]
    reason = f" ({outcome.reason.value})" if outcome.reason else ""
    parts = [f"# {mark} {escape(report.title or report.run)}: {outcome.ending.value}{reason}", escape(outcome.summary)]
    if proposal is not None:
        incident = proposal.incident
        told = [
            f"{name}: {escape(str(value))}"
            for name, value in (
                ("virtual machine", incident.vm),
                ("source", incident.source),
                ("destination", incident.destination),
                ("cluster", incident.cluster),
                ("event", incident.event_id),
                ("reported by", incident.reported_by),
            )
            if value
        ]
        parts.append(
            f"## What happened\n\n{' · '.join(told)}" + (f"\n\n> {escape(incident.message[:600])}" if incident.message else "")
        )
        parts.append("## Cause\n\n" + why_markdown(proposal))
    for title, plan in (("What was planned", report.plan), ("The move, tried again", report.retry)):
        if plan is not None:
            parts.append(f"## {title}\n\n{plan_markdown(plan)}")
    if report.expected:
        parts.append(f"## What to expect\n\n{report.expected}")
    if report.stuck:
        parts.append(f"## What got stuck\n\n{report.stuck}")
    if report.progress:
        parts.append(f"## Node by node\n\n{report.progress}")
    if report.decided:
        parts.append("## Who decided\n\n" + "\n".join(f"- {escape(each)}" for each in report.decided))
    if report.sent:
        rows = [
            f"| {escape(each.host)} | {_cell(each.command)} | {each.became} | {_cell(each.undo) if each.undo else 'none'} |"
            for each in report.sent
        ]
        head = ["| on | command | became | undo |", "|---|---|---|---|"]
        parts.append("## What was sent\n\n" + "\n".join([*head, *rows]))
    if any(each.became == "done" and each.undo for each in report.sent):
        about = "takes back, newest first, what is still as this run left it; its plan is shown and asked for first."
        parts.append(f"## To undo it\n\n{code(f'remediate undo {report.run}')} {about}")
    if report.sent or report.verified or report.retried:
        checks = [f"verified: {'yes' if report.verified else 'no'}", f"the move succeeded: {'yes' if report.retried else 'no'}"]
        parts.append("## Proof\n\n" + " · ".join(checks))
    if report.companions:
        became = {True: "closed with this outcome", False: "read again on its own"}
        rows = [f"| {each.incident_id} | {escape(each.title)} | {became[each.covered]} |" for each in report.companions]
        head = ["| incident | what failed | what becomes of it |", "|---|---|---|"]
        parts.append("## What failed with it\n\n" + "\n".join([*head, *rows]))
    if report.evidence:
        parts.append(f"## Evidence\n\nRead before anything was changed: {code(report.evidence)}")
    if report.page:
        parts.append(f"## As a page\n\n{code(report.page)}")
    spent = [(span.name, span.began, span.seconds) for span in report.spans]
    spent = spent or [(phase.name, phase.started_at, phase.seconds) for phase in report.phases]
    if spent:
        rows = [f"| {escape(name)} | {began:%H:%M:%S} | {seconds:.1f} |" for name, began, seconds in spent]
        parts.append("## How long it took\n\n" + "\n".join(["| part | began (UTC) | seconds |", "|---|---|---|", *rows]))
    if report.trail:
        parts.append(f"---\n\n{report.trail}")
    return "\n\n".join(parts) + "\n"
