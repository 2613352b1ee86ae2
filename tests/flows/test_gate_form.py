"""The approval form: what it lets through, what it keeps of its constraints, and what it shows. No server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gated import HOSTILE, ask, plan, retry
from prefect._internal.pydantic.v2_schema import create_v2_schema
from pydantic import ValidationError

from flows.gate import SCHEMA_KEY, Approval, ApprovalWithRetry, answer_of, describe, form_of, prefill
from remediations.model.policy import Needed, Proven
from remediations.model.tier import Tier

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ENDS = NOW + timedelta(hours=8)
DIGEST = plan().digest[:8]
GOOD = {"decision": "approve", "approver": "Anna Berg"}


def schema(form: type[Approval]) -> dict[str, Any]:
    """The form as the server gets it, by Prefect's own way."""
    return create_v2_schema(form.__name__, model_base=form)


CODED = Needed(people=2, proof=Proven.CODE, own=False, typed="VM42 (old)")


def form(**changed: Any) -> type[Approval]:
    ours = {name: changed.pop(name) for name in ("needed", "approved_by", "refused", "lacking") if name in changed}
    return form_of(ask(ENDS, **changed).model_copy(update=ours), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": ""},
        {"code": "12345"},
        {"code": "1234567"},
        {"code": "12345a"},
        {"digest": ""},
        {"target": ""},
        {"target": "VM42"},
        {"target": "VM42 xoldx"},
    ],
    ids=str,
)
def test_a_code_the_digest_and_the_target_are_asked_for_where_policy_says_so(wrong: dict[str, str]) -> None:
    good = {**GOOD, "digest": DIGEST, "code": "123 456", "target": "VM42 (old)"}
    answer = answer_of(form(needed=CODED)(**good), NOW)
    assert (answer.code, answer.target, answer.at) == ("123456", "VM42 (old)", NOW)
    with pytest.raises(ValidationError):
        form(needed=CODED)(**{**good, **wrong})
    assert {"code", "target"}.isdisjoint(schema(form())["properties"]), "where a name is enough the form stays bare"


def test_people_see_who_has_approved_what_was_refused_and_how_to_enrol() -> None:
    told = form(
        needed=CODED, approved_by=("Anna <b>Berg",), refused="the code is wrong", lacking="run `remediate approvers add NAME`"
    )
    shown = str(told._description)
    for part in ("has approved it; a second person has to", "the code is wrong", "`remediate approvers add NAME`"):
        assert part in shown
    assert "<b>" not in shown
    assert "It takes 2 people" in str(form(needed=CODED)._description)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, {"decision", "approver"}),
        ({"decision": "approve"}, {"approver"}),
        ({"approver": "Anna Berg"}, {"decision"}),
        ({**GOOD, "decision": "yes"}, {"decision"}),
        ({**GOOD, "decision": None}, {"decision"}),
        ({**GOOD, "approver": "A"}, {"approver"}),
        ({**GOOD, "approver": "  "}, {"approver"}),
        ({**GOOD, "approver": "Anna\nBerg"}, {"approver"}),
        ({**GOOD, "approver": "x" * 65}, {"approver"}),
        ({**GOOD, "comment": "x" * 2001}, {"comment"}),
        ({**GOOD, "digest": "0" * 8}, {"digest"}),
        ({**GOOD, "digest": DIGEST[:7]}, {"digest"}),
        ({**GOOD, "also": "this"}, {"also"}),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_nothing_is_approved(given: dict[str, Any], wrong: set[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        form()(**given)
    assert {str(each["loc"][0]) for each in refused.value.errors()} == wrong


@pytest.mark.parametrize("digest", [{}, {"digest": DIGEST}, {"digest": f"{DIGEST[:4]} {DIGEST[4:]}"}])
def test_the_digest_may_be_typed_and_is_the_plans(digest: dict[str, str]) -> None:
    answer = answer_of(form()(**GOOD, **digest))
    assert answer.digest == (DIGEST if digest else "")
    assert (answer.decision, answer.approver, answer.retry) == ("approve", "Anna Berg", True)


def test_where_running_machines_are_touched_the_digest_has_to_be_typed() -> None:
    mend = plan(Tier.WORKLOAD)
    asked = form(mend=mend)
    assert set(schema(asked)["required"]) == {"decision", "approver", "digest"}
    with pytest.raises(ValidationError, match="digest"):
        asked(**GOOD)
    assert answer_of(asked(**GOOD, digest=mend.digest[:8])).digest == mend.digest[:8]


def test_every_field_keeps_its_description_and_its_constraints() -> None:
    made = schema(form(needed=CODED))["properties"]
    bare = schema(ApprovalWithRetry)["properties"]
    for name, field in bare.items():
        own = {
            "digest": {"pattern", "default"},
            "code": {"pattern", "default"},
            "target": {"pattern", "default", "description"},
        }
        assert made[name].items() >= {key: value for key, value in field.items() if key not in own.get(name, ())}.items()
        assert made[name]["description"]
    assert schema(form())["additionalProperties"] is False


@pytest.mark.parametrize("value", ["", "x" * 65])
def test_prefill_changes_only_what_it_is_told(value: str) -> None:
    made = prefill(Approval, "why", approver={"default": "Anna Berg"})
    assert made(decision="reject").approver == "Anna Berg"
    with pytest.raises(ValidationError):
        made(decision="reject", approver=value)
    assert Approval.model_fields["approver"].is_required(), "the form it was made from stays as it was"


def test_without_a_part_two_nothing_is_tried_again() -> None:
    asked = form(part_two=False)
    assert "retry" not in schema(asked)["properties"]
    assert answer_of(asked(**GOOD)).retry is False
    assert schema(asked)[SCHEMA_KEY]["retry"] is None


def test_programs_find_what_is_asked_in_the_schema() -> None:
    asked = json.loads(json.dumps(schema(form())))[SCHEMA_KEY]
    assert asked == {
        "digest": plan().digest,
        "title": plan().title,
        "tier": str(Tier.DIRECTORY),
        "expires_at": ENDS.isoformat(),
        "retry": retry().title,
        "typed": "",
        "approved_by": [],
    }
    assert SCHEMA_KEY not in schema(Approval), "one question does not leak into the next"


def test_people_see_plan_digest_expiry_and_why_and_nothing_that_an_alert_smuggled_in() -> None:
    shown = describe(ask(ENDS, why=f"the event said {HOSTILE}"), NOW)
    for part in (f"{DIGEST[:4]} {DIGEST[4:]}", "2025-03-01 20:00 UTC", "in 8 h 00 min", "Set-ADComputer", "203.0.113.9"):
        assert part in shown
    assert "<img" not in shown
    assert "![" not in shown
