"""What people find in Prefect after, or while, a run works: plan, report and evidence as pages they like to read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterId
from prefect.context import FlowRunContext

from remediations.engine.ports import Ask, Report
from remediations.engine.render import escape, verdict_words
from remediations.model.plan import Plan

_HARMLESS = re.compile(r"(</?(?:details|summary|br)\s*/?>)", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^>]*>?")
_PARSER = MarkdownIt("commonmark").enable("table")


def safe(markdown: str) -> str:
    """`markdown` without raw HTML and images, whoever wrote parts of it.

    An alert's text must not make an approver's browser call out or show what is not so. Code stays as it is: there, tags
    are only text. `<details>`, `<summary>` and `<br>` without attributes stay.
    """
    for _ in range(3):
        lines = _offending(_PARSER.parse(markdown))
        if lines is None:
            return markdown
        markdown = "\n".join(_disarm(line) if number in lines else line for number, line in enumerate(markdown.split("\n")))
    return _disarm(markdown)


def _offending(tokens: Iterable[Token]) -> set[int] | None:
    """Numbers of the lines that hold raw HTML or an image; None if there is none."""
    found: set[int] = set()
    within = (0, 0)
    for token in tokens:
        within = (token.map[0], token.map[1]) if token.map else within
        html = [token.content] if token.type == "html_block" else []
        children = token.children or []
        html += [child.content for child in children if child.type == "html_inline"]
        if any(child.type == "image" for child in children) or any(_ANY_TAG.search(_HARMLESS.sub("", each)) for each in html):
            found.update(range(*within))
    return found or None


def _disarm(text: str) -> str:
    parts = _HARMLESS.split(text)
    return "".join(part if number % 2 else part.replace("<", "&lt;").replace("![", "!\\[") for number, part in enumerate(parts))


def publish_plan(ask: Ask) -> None:
    """Show the plan on the run's page: whole, in markdown, and as a narrow table. Again for the same plan adds nothing."""
    short = ask.digest[:12]
    plans = [plan for plan in (ask.plan, ask.retry) if plan is not None]
    title = escape("; ".join(plan.title for plan in plans))  # a description is drawn as markdown, too
    if _is_there(f"plan-{short}"):
        return
    why = f"\n\n### Why this plan\n\n{ask.why}" if ask.why else ""
    create_markdown_artifact(safe(ask.page + why), key=f"plan-{short}", description=f"Plan {short[:8]}: {title}")
    create_table_artifact(table(plans), key=f"steps-{short}", description=f"Steps of plan {short[:8]}: {title}")


def table(plans: Sequence[Plan]) -> list[dict[str, str]]:
    """The plans' steps in five narrow columns, as Prefect's table artifact takes them; wider ones are cut off on the page."""
    steps = [(plan, step) for plan in plans for step in plan.steps]
    return [
        {
            "step": str(number),
            "host": step.host,
            "changes": f"{step.target.kind} {step.target.name}",
            "by": step.command.name,
            "undo": "yes" if step.undo is not None else plan.reversal.value,
        }
        for number, (plan, step) in enumerate(steps, 1)
    ]


def publish_report(report: Report) -> None:
    """Show the finished report on the run's page, with what was read and considered as a page of its own."""
    short = re.sub(r"[^a-z0-9-]", "-", (report.incident_id or report.run).lower())[:12].strip("-")
    title = escape(report.title)
    ending = f"{report.outcome.ending.value}: {title}"
    create_markdown_artifact(safe(report.markdown), key=f"report-{short}", description=f"Report, {ending}")
    if report.considered:
        create_markdown_artifact(safe(evidence(report)), key=f"evidence-{short}", description=f"Evidence, {title}")


def evidence(report: Report) -> str:
    """Each cause that was considered: what pointed to it, what the facts say. Markdown."""
    parts = [f"# Evidence: {escape(report.title)}"]
    for considered in report.considered:
        hypothesis = considered.hypothesis
        meaning = f"{hypothesis.cause.meaning[0].upper()}{hypothesis.cause.meaning[1:]}."
        parts.append(f"\n## `{hypothesis.cause.value}`: {verdict_words(considered)}\n\n{meaning}\n\n{escape(considered.why)}\n")
        parts += [f"- pointed to by {escape(each)}" for each in hypothesis.evidence]
        parts += [f"- what decides: {escape(each)}" for each in hypothesis.against]
    return "\n".join(parts)


def _is_there(key: str) -> bool:
    """Whether this very flow run has shown an artifact of that key before: it is run again from the top after a resume."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[context.flow_run.id])),
        )
    return bool(found)
