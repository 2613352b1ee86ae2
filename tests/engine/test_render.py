"""Plans and reports in words: what matters first, and values as people write them."""

from __future__ import annotations

import pytest

from remediations.engine.ports import Considered
from remediations.engine.propose import Proposal
from remediations.engine.render import change_words, why_markdown
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence, Hypothesis
from remediations.model.fact import Change
from remediations.model.incident import Incident
from remediations.model.plan import Verdict

TICKET = {"server": "krbtgt/CONTOSO.COM", "start": "2026-03-01T10:00:00Z"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(fact="f", field="any_protocol", before=False, after=True), ("no", "yes")),
        (Change(fact="f", field="limit", before=2, after=4), ("2", "4")),
        (Change(fact="f", field="path", before="C:\\a.iso", after=None), ("C:\\a.iso", "nothing")),
        (
            Change(fact="f", field="tickets", members=True, before=[TICKET], after=[]),
            (
                "has (server krbtgt/CONTOSO.COM, start 2026-03-01T10:00:00Z)",
                "without (server krbtgt/CONTOSO.COM, start 2026-03-01T10:00:00Z)",
            ),
        ),
        (Change(fact="f", field="spns", members=True, before=[], after=["a/b", "a/c"]), ("without a/b, a/c", "with a/b, a/c")),
    ],
)
def test_a_change_is_told_as_people_write_it(change: Change, words: tuple[str, str]) -> None:
    assert change_words(change) == words


def test_what_is_proven_stands_first_and_what_is_ruled_out_is_short() -> None:
    def considered(cause: Cause, verdict: Verdict | None) -> Considered:
        hypothesis = Hypothesis(cause=cause, score=0.5, evidence=("event 20406",))
        return Considered(hypothesis=hypothesis, verdict=verdict, why=f"why of {cause.value}")

    found = (
        considered(Cause.TIME_SKEW, Verdict.ABSENT),
        considered(Cause.NAME_RESOLUTION, None),
        considered(Cause.FIREWALL_BLOCKED, Verdict.UNKNOWN),
        considered(Cause.SPN_MISSING, Verdict.PRESENT),
    )
    proposal = Proposal(incident=Incident(vm="VM1"), evidence=Evidence(), considered=found, also_seen=())
    lines = [line for line in why_markdown(proposal).splitlines() if line.startswith("- **")]
    assert [line.split("**")[1].replace("\\", "") for line in lines] == [
        "spn_missing",
        "firewall_blocked",
        "name_resolution",
        "time_skew",
    ]
    assert ["event 20406" in line for line in lines] == [True, True, True, False]
