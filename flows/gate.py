"""The approval gate: a form on a suspended flow run.

Prefect only carries the answer. Anyone who may write to its API can forge one, so the engine checks what comes back (plan,
expiry, approver, code, single use) against the ledger and the policy before anything is changed. A code is judged by when
Prefect's server wrote the answer down, which nobody sets by its API: the resumed run reads it seconds to hours later.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, cast
from uuid import UUID

from prefect import suspend_flow_run
from prefect.client.orchestration import get_client
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, create_model

from flows.artifacts import publish_plan, safe
from remediations.engine.ports import Answer, Ask, Gate
from remediations.engine.render import escape
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan
from remediations.model.policy import Proven
from remediations.model.tier import Tier

SHOWN = 8
"""Characters of a digest that people see and type."""

SCHEMA_KEY = "approval"
"""Where a form's JSON schema holds what is asked, for programs: digest, title, expiry, tier, whether a retry is part of it."""

Decision = Annotated[
    Literal["approve", "reject"],
    BeforeValidator(lambda given: given.strip().casefold() if isinstance(given, str) else given),
    WithJsonSchema({"type": "string", "pattern": r"^\s*([Aa]pprove|[Rr]eject)\s*$"}),
]
"""Typed, not chosen: the list that Prefect 3.8.8 shows for an enumeration closes itself when its field is clicked."""

FormT = TypeVar("FormT", bound=RunInput)


class Approval(RunInput):
    """Whether the plan above is carried out. Without a decision and a name there is no approval."""

    decision: Decision = Field(
        title="Decision", description="Type approve: the commands above are sent, once. Or reject: nothing is"
    )
    approver: str = Field(
        title="Your name", min_length=2, max_length=64, pattern=r"^\S(.*\S)?$", description="For the audit trail and the report"
    )
    code: str = Field(
        default="",
        title="One-time code",
        max_length=7,
        pattern=r"^(\d{3} ?\d{3})?$",
        description="What your authenticator shows now, six digits. It counts once. To reject, 000000 will do",
    )
    digest: str = Field(
        default="", title="Digest", max_length=9, description="First eight characters, as above: that this very plan was read"
    )
    target: str = Field(default="", title="Target", max_length=200, description="Type the name of what is changed for good")
    comment: str = Field(default="", title="Comment", max_length=2000, description="For the report, as the number of a change")


class ApprovalWithRetry(Approval):
    """Whether the plan above is carried out, and whether what had failed is then tried again."""

    retry: bool = Field(
        default=True, title="Then try again", description="Part two above, once the mend is verified: the move that had failed"
    )


def prefill(form: type[FormT], description: str, /, without: Collection[str] = (), **changed: dict[str, Any]) -> type[FormT]:
    """A form like `form`, shown under `description` (markdown), with parts of its fields changed and others left out.

    `changed` names fields and what of them is other, as `pydantic.Field` takes it (`default`, `pattern`, …); `without` names
    those whose default stands and that nobody sees. All else of a field stays: Prefect's own `with_initial_data` drops its
    description and its constraints.
    """
    fields: dict[str, Any] = {}
    for name, old in form.model_fields.items():
        if name in without:
            continue
        other = changed.get(name, {})
        default = other.pop("default", ... if old.is_required() else old.default)
        fields[name] = (Annotated[old.annotation, copy.copy(old), Field(**other)], default)
    made = create_model(form.__name__, __base__=RunInput, __doc__=form.__doc__, **fields)
    made._description = description
    return cast(type[FormT], made)


def form_of(ask: Ask, now: datetime) -> type[Approval]:
    """The form that puts `ask` to a person.

    The digest may be typed; from tier 3 on, where running virtual machines are touched, and wherever a code is needed, it
    has to be: then the answer names the plan that was read.
    """
    one, two = ask.digest[: SHOWN // 2], ask.digest[SHOWN // 2 : SHOWN]
    coded, typed = ask.needed.proof is Proven.CODE, ask.needed.typed
    changed: dict[str, dict[str, Any]] = {"digest": {"pattern": rf"^({one} ?{two})?$"}}
    if coded or _asked(ask).tier >= Tier.WORKLOAD:
        changed["digest"] = {"pattern": rf"^{one} ?{two}$", "default": ...}
    if coded:
        changed["code"] = {"pattern": r"^\d{3} ?\d{3}$", "default": ...}
    if typed:
        changed["target"] = {"pattern": f"^{re.escape(typed)}$", "default": ..., "description": f"Type {typed}, {_FOR_GOOD}"}
    joint = ask.plan is not None and ask.retry is not None
    hidden = [name for name, shown in (("code", coded), ("target", typed), ("retry", joint)) if not shown]
    form = prefill(ApprovalWithRetry if joint else Approval, describe(ask, now), without=hidden, **changed)
    form.model_config["json_schema_extra"] = {SCHEMA_KEY: summary_of(ask)}
    form.model_rebuild(force=True)
    return form


_FOR_GOOD = "the name of what is changed for good"


def summary_of(ask: Ask) -> dict[str, Any]:
    """What is asked, as JSON.

    `digest` (whole), `title`, `tier`, `expires_at` (ISO 8601), `retry` (title of part two), `typed` (what has to be),
    `approved_by` (who has before).
    """
    asked = _asked(ask)
    return {
        "digest": ask.digest,
        "title": asked.title,
        "tier": str(asked.tier),
        "expires_at": ask.expires_at.isoformat(),
        "retry": ask.retry.title if ask.plan is not None and ask.retry is not None else None,
        "typed": ask.needed.typed,
        "approved_by": list(ask.approved_by),
    }


def describe(ask: Ask, now: datetime) -> str:
    """What stands above the form, in markdown: what is asked and until when, the whole plan, and why this one."""
    minutes = max(0, math.floor((ask.expires_at - now).total_seconds() / 60))
    left = f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
    until = f"{ask.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    both = " Part two tries again what had failed." if ask.plan is not None and ask.retry is not None else ""
    head = (
        f"Plan **{ask.digest[:4]} {ask.digest[4:8]}** · scroll for all of it · answer until **{until}** (in {left}), else "
        f"nothing is changed.{both}"
    )
    told = [head, *_about(ask), ask.page, *(["### Why this plan", ask.why] if ask.why else [])]
    return safe("\n\n".join(told))


def _about(ask: Ask) -> Iterator[str]:
    """What this approval takes, and what became of answers so far."""
    if ask.refused:
        yield f"**The last answer did not count**: {escape(ask.refused)}."
    if ask.lacking:
        yield f"**Nobody can approve this yet**: {ask.lacking}."
    if ask.needed.people > 1:
        before = " and ".join(escape(each) for each in ask.approved_by)
        yield (
            f"**{before} has approved it; a second person has to**, and not whoever asked for it."
            if before
            else f"**It takes {ask.needed.people} people**: the next one is asked once the first has approved."
        )


def _asked(ask: Ask) -> Plan:
    asked = ask.plan or ask.retry
    if asked is None:
        raise ValueError("a question needs a plan")
    return asked


def prefect_gate(tell: Callable[[Ask], None] = lambda ask: None) -> Gate:
    """The gate of a flow. The first time it suspends the run (by Prefect's exception); after the resume it returns the answer.

    `tell` tells people that they are asked; it is called before the run is suspended, and again when the run begins anew.
    Raises `Refused(APPROVAL_INVALID)` for an answer that the form would not have let through: forged, or by a bypass.
    """

    def gate(ask: Ask) -> Answer:
        publish_plan(ask)
        tell(ask)
        now = datetime.now(UTC)
        form = form_of(ask, now)
        seconds = max(1, math.ceil((ask.expires_at - now).total_seconds()))
        try:
            suspend_flow_run(wait_for_input=form, key=ask.key, timeout=seconds)
            return _given(form, ask.key)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            detail = f"the run was resumed past its form ({wrong}); answer by the form, or by `remediate approve`"
            raise Refused(Reason.APPROVAL_INVALID, detail) from None  # the first error holds what was given, a code perhaps

    return gate


def _given(form: type[Approval], key: str) -> Answer:
    """What was answered, and when, by the clock of Prefect's server: the row is read whole, once, whoever wrote it."""
    run, name = flow_run.get_id(), f"suspended-{key}-response"
    with get_client(sync_client=True) as client:
        # Without a limit of its own the API gives one row back, which need not be this one.
        rows = client.filter_flow_run_input(UUID(run), name, limit=100, exclude_keys=set())
    row = next((each for each in rows if each.key == name), None)
    if row is None or row.created is None:
        raise Refused(Reason.APPROVAL_INVALID, f"the answer to {key} is not in Prefect any more; start a new run")
    return answer_of(form.model_validate_json(row.value), row.created)


def answer_of(given: Approval, at: datetime | None = None) -> Answer:
    """What a filled-in form says, and when it was handed in."""
    return Answer(
        decision=given.decision,
        approver=given.approver,
        comment=given.comment,
        retry=getattr(given, "retry", False),
        digest=given.digest.replace(" ", ""),
        code=getattr(given, "code", "").replace(" ", ""),
        target=getattr(given, "target", ""),
        at=at,
    )
