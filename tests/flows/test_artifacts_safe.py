"""Pages hold no raw HTML and no image, whoever wrote parts of them; code and plain text stay as they are."""

from __future__ import annotations

import pytest
from gated import HOSTILE, plan, retry
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from flows.artifacts import evidence, safe, table
from remediations.engine import Considered, Report
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
