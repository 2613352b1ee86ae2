"""The approval gate: a form on a suspended flow run.

Prefect only carries the answer. Anyone who may write to its API can forge one, so the engine checks what comes back (plan,
expiry, approver, single use) against the ledger and the policy before anything is changed.
"""

from __future__ import annotations

import copy
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from prefect import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError, create_model

from flows.artifacts import publish_plan, safe
from remediations.engine.ports import Answer, Ask, Gate
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan
from remediations.model.tier import Tier

SHOWN = 8
"""Characters of a digest that people see and type."""

SCHEMA_KEY = "approval"
"""Where a form's JSON schema holds what is asked, for programs: digest, title, expiry, tier, whether a retry is part of it."""

FormT = TypeVar("FormT", bound=RunInput)


class Approval(RunInput):
    """Whether the plan above is carried out. Without a decision and a name there is no approval."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision", description="approve: the commands above are sent, once. reject: nothing is"
    )
    approver: str = Field(
        title="Your name", min_length=2, max_length=64, pattern=r"^\S(.*\S)?$", description="For the audit trail and the report"
    )
    digest: str = Field(
        default="", title="Digest", max_length=9, description="First eight characters, as above: that this very plan was read"
    )
    comment: str = Field(default="", title="Comment", max_length=2000, description="For the report, as the number of a change")


class ApprovalWithRetry(Approval):
    """Whether the plan above is carried out, and whether what had failed is then tried again."""

    retry: bool = Field(
        default=True, title="Then try again", description="Part two above, once the mend is verified: the move that had failed"
    )


def prefill(form: type[FormT], description: str, /, **changed: dict[str, Any]) -> type[FormT]:
    """A form like `form`, shown under `description` (markdown), with parts of its fields changed.

    `changed` names fields and what of them is other, as `pydantic.Field` takes it (`default`, `pattern`, …). All else of a
    field stays: Prefect's own `with_initial_data` drops its description and its constraints.
    """
    fields: dict[str, Any] = {}
    for name, other in changed.items():
        old = form.model_fields[name]
        default = other.pop("default", ... if old.is_required() else old.default)
        fields[name] = (Annotated[old.annotation, copy.copy(old), Field(**other)], default)
    made = create_model(form.__name__, __base__=form, __doc__=form.__doc__, **fields)
    made._description = description
    return made


def form_of(ask: Ask, now: datetime) -> type[Approval]:
    """The form that puts `ask` to a person.

    The digest may be typed; from tier 3 on, where running virtual machines are touched, it has to be.
    """
    one, two = ask.digest[: SHOWN // 2], ask.digest[SHOWN // 2 : SHOWN]
    digest: dict[str, Any] = {"pattern": rf"^({one} ?{two})?$"}
    if _asked(ask).tier >= Tier.WORKLOAD:
        digest = {"pattern": rf"^{one} ?{two}$", "default": ...}
    base = ApprovalWithRetry if ask.plan is not None and ask.retry is not None else Approval
    form = prefill(base, describe(ask, now), digest=digest)
    form.model_config["json_schema_extra"] = {SCHEMA_KEY: summary_of(ask)}
    form.model_rebuild(force=True)
    return form


def summary_of(ask: Ask) -> dict[str, Any]:
    """What is asked, as JSON: `digest` (whole), `title`, `tier`, `expires_at` (ISO 8601), `retry` (title of part two)."""
    asked = _asked(ask)
    return {
        "digest": ask.digest,
        "title": asked.title,
        "tier": str(asked.tier),
        "expires_at": ask.expires_at.isoformat(),
        "retry": ask.retry.title if ask.plan is not None and ask.retry is not None else None,
    }


def describe(ask: Ask, now: datetime) -> str:
    """What stands above the form, in markdown: what is asked and until when, the whole plan, and why this one."""
    minutes = max(0, math.floor((ask.expires_at - now).total_seconds() / 60))
    left = f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
    until = f"{ask.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    both = (
        " Part one mends the cause, part two tries again what had failed."
        if ask.plan is not None and ask.retry is not None
        else ""
    )
    head = (
        f"Plan **{ask.digest[:4]} {ask.digest[4:8]}** · answer until **{until}** (in {left}), else nothing is changed · "
        f"scroll for all of it, or see *Artifacts*.{both}"
    )
    return safe("\n\n".join([head, ask.page, *(["### Why this plan", ask.why] if ask.why else [])]))


def _asked(ask: Ask) -> Plan:
    asked = ask.plan or ask.retry
    if asked is None:
        raise ValueError("a question needs a plan")
    return asked


def prefect_gate() -> Gate:
    """The gate of a flow. The first time it suspends the run (by Prefect's exception); after the resume it returns the answer.

    Raises `Refused(APPROVAL_INVALID)` for an answer that the form would not have let through: forged, or by a bypass.
    """

    def gate(ask: Ask) -> Answer:
        publish_plan(ask)
        now = datetime.now(UTC)
        form = form_of(ask, now)
        seconds = max(1, math.ceil((ask.expires_at - now).total_seconds()))
        try:
            given = suspend_flow_run(wait_for_input=form, key=ask.key, timeout=seconds)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            detail = f"the run was resumed past its form ({wrong}); answer by the form, or by `remediate approve`"
            raise Refused(Reason.APPROVAL_INVALID, detail) from error
        return answer_of(given)

    return gate


def answer_of(given: Approval) -> Answer:
    """What a filled-in form says."""
    return Answer(
        decision=given.decision,
        approver=given.approver,
        comment=given.comment,
        retry=given.retry if isinstance(given, ApprovalWithRetry) else False,
        digest=given.digest.replace(" ", ""),
        proof="name",
    )
