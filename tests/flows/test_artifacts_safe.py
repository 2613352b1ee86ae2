"""Pages hold no raw HTML and no image, whoever wrote parts of them; code and plain text stay as they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from gated import HOSTILE, ask, plan, retry
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from flows.artifacts import evidence, publish_plan, publish_report, safe, table
from flows.recover import table as recovered_table
from remediations.engine import Considered, Recovered, Report
from remediations.engine.render import escape
from remediations.model.causes import Cause
from remediations.model.diagnosis import Hypothesis
from remediations.model.outcome import Ending, Outcome
from remediations.model.plan import Verdict

PARSER = MarkdownIt("commonmark").enable("table")


def hazards(markdown: str) -> list[str]:
    """Everything in a page that a browser would not show as text: tags and images."""
    found = []

    def walk(tokens: list[Token]) -> None:
        for token in tokens:
            if token.type in ("html_block", "html_inline", "image"):
                found.append(token.content or token.type)
            walk(token.children or [])

    walk(PARSER.parse(markdown))
    return [each for each in found if each.strip() not in ALLOWED]


ALLOWED = {"<details>", "</details>", "<summary>", "</summary>", "<br>", "<br/>", "<br />"}


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "| a | b |\n|---|---|\n| `<x>` | 1 < 2 |",
        "```powershell\nGet-VM | ? { $_.Name -like '<b>' } # ![x](y)\n```",
        "a `<img src=x>` b",
        "1 < 2 and 3 > 2, C:\\ClusterStorage, VM [prod]!",
        "<details>\n<summary>more</summary>\n\ntext\n\n</details>",
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "<img src=http://203.0.113.9/x>",
        "<script>alert(1)</script>",
        "para <b onclick=x>y</b>",
        "| a |\n|---|\n| <img src=x> |",
        "![x](http://203.0.113.9/y)",
        "[a ![x](y) b](z)",
        "![x][r]\n\n[r]: http://203.0.113.9/y",
        "- item\n  <div>\n  x",
        "> <iframe src=x>",
        '<details open ontoggle="x">',
        "```\nfence\n```\n<img src=x>\n```\nfence\n```",
        "text\n<!-- comment -->\n<?php ?>\n<![CDATA[x]]>",
        "# heading <svg onload=x>",
    ],
)
def test_what_is_not_is_disarmed_and_still_readable(text: str) -> None:
    assert hazards(text), "the case itself is hazardous"
    made = safe(text)
    assert hazards(made) == []
    assert len(made) >= len(text)


@given(st.text(alphabet="<>!`[]()/ab=\"'\n|-#~ ", max_size=60))
def test_no_text_gets_a_tag_or_an_image_through(text: str) -> None:
    assert hazards(safe(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://evil.example/a",
        "WWW.evil.example, www.evil.example",
        "HTTP://x",
        "ftp://x",
        "anna@evil.example",
        "[x](y://z)",
    ],
)
def test_no_address_that_comes_from_outside_is_a_link(text: str) -> None:
    """Prefect's pages make one of each bare address (GitHub Flavored Markdown, "Autolinks (extension)")."""
    made = escape(text)
    assert not re.search(r"(?<!\\)(://|(?<=www)\.|@)", made, re.IGNORECASE)
    (paragraph,) = [each for each in PARSER.parse(made) if each.type == "inline"]
    assert "".join(each.content for each in paragraph.children or []) == text, "people read it as it came"


def test_what_prefect_draws_of_a_machine_s_name_is_only_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name, shown = "<img src=http://203.0.113.9/x>", []

    def create(*_: object, description: str, **__: object) -> None:
        shown.append(description)

    for each in ("create_markdown_artifact", "create_table_artifact"):
        monkeypatch.setattr(f"flows.artifacts.{each}", create)
    asked = ask(datetime(2026, 3, 1, tzinfo=UTC), mend=plan(title=f"Move {name}"))
    publish_plan(asked)
    considered = Considered(hypothesis=Hypothesis(cause=Cause.SPN_MISSING, score=0.9, evidence=()), verdict=None, why="")
    outcome = Outcome(ending=Ending.PROPOSED, summary="As planned.")
    publish_report(Report(run="run", incident_id=None, title=name, outcome=outcome, considered=(considered,), markdown=""))
    assert len(shown) == 4
    for each in shown:
        assert hazards(each) == []
        assert escape(name) in each
    found = [
        Recovered(run="run", incident_id="INC-7F3K2A", what="it crashed", outcome=outcome.model_copy(update={"summary": name}))
    ]
    assert f"| {escape(name)} |" in recovered_table(found, [])


def test_the_table_of_steps_is_narrow_and_numbers_both_parts() -> None:
    rows = table([plan(), retry()])
    assert [each["step"] for each in rows] == ["1", "2"]
    assert all(len(each) == 5 for each in rows)
    assert all(len("".join(each.values())) < 90 for each in rows)


def test_evidence_says_of_each_cause_what_pointed_to_it_and_what_the_facts_say() -> None:
    considered = Considered(
        hypothesis=Hypothesis(cause=Cause.SPN_MISSING, score=0.9, evidence=(f"event 21502 {HOSTILE}",), against=("the SPNs",)),
        verdict=Verdict.PRESENT,
        why="HV02 has no such name",
    )
    report = Report(
        run="run",
        incident_id="INC-7F3K2A",
        title=HOSTILE,
        outcome=Outcome(ending=Ending.PROPOSED, summary="As planned."),
        considered=(considered,),
    )
    page = safe(evidence(report))
    assert hazards(page) == []
    for part in ("`spn_missing`: proven by the facts", "HV02 has no such name", "event 21502", "what decides: the SPNs"):
        assert part in page
