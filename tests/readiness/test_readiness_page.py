"""The page, the words and the comparison, on reports as data."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from readiness_examples import finding, report

from remediations.engine.readiness_page import LARGEST, page
from remediations.engine.readiness_text import all_well, headline, markdown, troubled
from remediations.model.readiness import Level, Line, Readiness, VmSeen, Way, compare, worst

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quotes\" 'single' \u202egnp.exe\x1b[31m"


class Read(HTMLParser):
    """What is in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.mark.parametrize(("hosts", "clusters"), [(2, 0), (24, 3), (128, 0)])
def test_every_way_has_a_cell_with_a_sign_and_every_link_leads_somewhere(hosts: int, clusters: int) -> None:
    made = report(hosts, clusters=clusters, vms=hosts)
    read = Read(page(made))
    cells = Counter(re.findall(r'<td class="(\w+)">(?:<a href="#w\d+">)?([✗?!✓])', page(made)))
    assert cells == Counter((way.level.name_in_pages, way.level.sign) for way in made.ways)
    assert len({level.sign for level in Level}) == len(Level)
    ids = read.values("id")
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in read.values("href")} <= set(ids)


def test_the_page_asks_nobody_and_runs_only_its_own_script() -> None:
    text = page(report(24, clusters=3))
    read = Read(text)
    assert all(href.startswith("#") for href in read.values("href"))
    assert read.values("src") == []
    assert not re.search(r"https?://|url\(|@import", text)
    assert read.tags["script"] == read.tags["style"] == 1
    assert not any(name.startswith("on") or name == "style" for _, name, _ in read.attributes)
    policy = next(value for tag, name, value in read.attributes if tag == "meta" and value.startswith("default-src"))
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert inside is not None
        assert base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode() in policy


def test_nothing_from_outside_is_more_than_text() -> None:
    first = report(4)
    bad = finding(
        "eeeeeeeeeeee",
        Level.FAILS,
        NASTY,
        NASTY,
        Line(host="HV01", command=NASTY, undo=NASTY),
        instructions=(NASTY,),
        blocked=(NASTY,),
        ask=NASTY,
    )
    way = Way(source="HV01", destination="HV02", level=Level.FAILS, findings=(bad.id,))
    made = first.model_copy(
        update={
            "ways": (way,),
            "findings": (bad,),
            "vms": (VmSeen(name=NASTY, host="HV01", level=Level.FAILS, findings=(bad.id,), ways=(way,)),),
            "hosts": tuple(host.model_copy(update={"silent": NASTY}) for host in first.hosts),
        }
    )
    made = made.model_copy(update={"changed": compare(made, first).model_copy(update={"gone": (NASTY,)})})
    text = page(made)
    read = Read(text)
    assert read.tags["script"] == 1
    assert read.tags["img"] == 0
    assert not {"\u202e", "\x1b"} & set(text)
    assert any("alert(1)" in each for each in read.texts), "it is shown all the same"
    told = markdown(made)
    assert "<script>" not in told.replace("`", "")[: told.find("On HV01")]


def test_larger_sites_are_folded_to_what_is_not_ready() -> None:
    hosts = LARGEST + 40
    text = page(report(hosts))
    assert Read(text).tags["tr"] < 400
    assert "are ready in every direction, and left out" in text or "are drawn" in text


def test_a_site_where_all_is_well_says_so() -> None:
    made = report(4, trouble=False)
    assert all_well(made)
    assert "nothing is to be mended" in page(made)
    assert "Everything that was looked at is right" in markdown(made)
    assert headline(made) == "12 ways between 4 hosts: 12 ready"


@pytest.mark.parametrize("silent", ["", "it does not answer"])
def test_where_there_was_no_way_to_look_at_nothing_is_said_to_be_right(silent: str) -> None:
    made = report(1, trouble=False)
    made = made.model_copy(update={"hosts": (made.hosts[0].model_copy(update={"silent": silent}),)})
    assert not made.ways
    assert not all_well(made)
    for text in (markdown(made), page(made)):
        assert "Everything that was looked at is right" not in text
    assert "no way between them" in markdown(made)


def test_words_are_short_for_many_hosts_and_name_the_worst_first() -> None:
    made = report(128)
    assert len(markdown(made).splitlines()) < 150
    assert {name for name, _, _ in troubled(made)[:3]} == {"HV005", "HV043", "HV065"}
    assert not all_well(made)


def test_only_what_both_reports_looked_at_is_compared() -> None:
    small, large = report(4, trouble=False), report(8)
    changed = compare(large, small)
    names = {host.name for host in small.hosts}
    assert all({way.source, way.destination} <= names for way in changed.lost)
    assert compare(small, small).lost == compare(small, small).regained == ()


def test_noted_is_no_loss_and_unknown_is() -> None:
    before = report(4, trouble=False)
    noted = before.model_copy(update={"ways": tuple(way.model_copy(update={"level": Level.NOTED}) for way in before.ways)})
    unknown = before.model_copy(update={"ways": tuple(way.model_copy(update={"level": Level.UNKNOWN}) for way in before.ways)})
    assert compare(noted, before).lost == ()
    assert len(compare(unknown, before).lost) == 12


def test_the_worst_wins_and_nothing_is_ready() -> None:
    assert worst([Level.READY, Level.UNKNOWN, Level.NOTED]) is Level.UNKNOWN
    assert worst([Level.UNKNOWN, Level.FAILS]) is Level.FAILS
    assert worst([]) is Level.READY


def test_a_report_survives_json() -> None:
    made = report(24, clusters=3, vms=4)
    assert Readiness.model_validate_json(made.model_dump_json()) == made
