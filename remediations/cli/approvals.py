"""`remediate approvals | approve | reject`: the gate from a terminal, by the ledger or by Prefect's form."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import httpx

from remediations.cli.console import Exit, err, fail, out, print_json
from remediations.cli.engine import ask_code, check_words
from remediations.model.outcome import Refused
from remediations.model.policy import Proven
from remediations.settings import Settings

if TYPE_CHECKING:
    from flows.answering import Desk
    from remediations.engine import Answer
    from remediations.engine.deciding import Question


def prefect_api() -> str:
    """Where Prefect answers: PREFECT_API_URL, else what a running `remediate serve` wrote down. Without either, ends."""
    settings = Settings.load()
    return settings.prefect_api or fail(
        f"no Prefect is known here: start `remediate serve` (state in {settings.state}), or set PREFECT_API_URL"
    )


def show(*, as_json: bool) -> None:
    """What waits for a decision, the one that expires first at the top: flow runs, and terminals on this machine."""
    api = Settings.load().prefect_api
    with err.status(f"asking {api}" if api else "looking into the ledger"):
        from flows import answering

        with answering.desk(api) as here:
            if here is None and api is None:
                prefect_api()
            silent, found = _told_by_prefect(api) if api is not None else ("", [])
            if here is None and silent:
                fail(f"{silent}: is `remediate serve` running?", Exit.FAILED)
            found += _in_ledger(here, told_by_prefect=api is not None and not silent) if here is not None else []
    if silent:
        said = (
            f"{silent}: this is what the ledger has. An answer by `remediate approve` counts; its run goes on once it answers."
        )
        err.print(said, markup=False, soft_wrap=True, style="yellow")
    found.sort(key=lambda each: str(each["expires_at"]))
    if as_json:
        print_json(found)
    elif not found:
        out.print("Nothing waits for a decision.")
    for each in found if not as_json else ():
        retry = f"\n  then: {each['retry']}" if each["retry"] else ""
        so_far = f"\n  {' and '.join(each['approved_by'])} approved it; a second person has to" if each["approved_by"] else ""
        until = f"tier {each['tier']} · answer until {datetime.fromisoformat(each['expires_at']):%Y-%m-%d %H:%M} UTC"
        digest = f"{each['digest'][:4]} {each['digest'][4:8]}"
        told = f"{digest}  {each['title']}\n  {until}{retry}{so_far}\n  {each['link']}"
        out.print(told, markup=False, soft_wrap=True)
    if found and not as_json:
        short = found[0]["digest"][:8]
        typed = f" --target '{found[0]['typed']}'" if found[0]["typed"] else ""
        hints = f"remediate approvals {short}        shows its commands\nremediate approve {short} --as NAME{typed}"
        out.print(f"\n{hints}", markup=False, soft_wrap=True)


def _told_by_prefect(api: str) -> tuple[str, list[dict[str, Any]]]:
    """Why Prefect told nothing (empty if it did), and the runs that wait as it tells of them."""
    from flows import approvals

    try:
        with approvals.client_for(api) as client:
            return "", [each.model_dump(mode="json", exclude={"fields"}) for each in approvals.waiting(client)]
    except httpx.HTTPError as error:
        return _silent(api, error), []


def show_plan(digest: str, run: str | None, *, as_json: bool) -> None:
    """The whole plan that waits under this digest: the causes that were considered, its commands, and its part two."""
    from flows import answering
    from remediations.engine import Considered
    from remediations.engine.render import plan_text, verdict_words
    from remediations.model.plan import Verdict

    api = Settings.load().prefect_api
    with answering.desk(api) as here:
        if here is None:
            where = f"; {_page(api, digest, run)}" if api else ""
            fail(f"the plan itself is in the ledger, and there is none here (REMEDIATE_STATE, REMEDIATE_LEDGER){where}")
        question = here.question(digest, run)
        trail = here.judging.ledger.trail(question.asked.run)
    plans = [each.plan for each in (question.first, question.second) if each is not None]
    causes: list[Any] = next((note.data["causes"] for note in reversed(trail) if note.kind == "considered"), [])
    if as_json:
        print_json({"causes": causes, "plans": [each.to_json() for each in plans]})
        return
    considered = [Considered.model_validate(each) for each in causes]
    for each in sorted(considered, key=lambda each: each.verdict is not Verdict.PRESENT):
        out.print(f"{verdict_words(each)}: {each.hypothesis.cause.value}. {each.why}", markup=False, soft_wrap=True)
    for plan in plans:
        out.print(f"\n{plan_text(plan)}", markup=False, soft_wrap=True)


def _page(api: str, digest: str, run: str | None) -> str:
    """Where the plan stands in Prefect, in words. Raises `LookupError` if it does not wait there."""
    from flows import approvals

    try:
        with approvals.client_for(api) as client:
            return f"it stands on its run's page, {approvals.find(client, digest, run).link}"
    except httpx.HTTPError as error:
        return _silent(api, error)


def _silent(api: str, error: Exception) -> str:
    return f"Prefect at {api} does not answer ({str(error) or type(error).__name__})"


def _in_ledger(here: Desk, *, told_by_prefect: bool) -> list[dict[str, Any]]:
    """What waits in the ledger, in the shape in which Prefect tells of its runs; without those that it has told of."""
    from flows.fate import TERMINAL

    ledger, found = here.judging.ledger, []
    waiting = [each for each in ledger.waiting() if each.run.startswith(TERMINAL) or not told_by_prefect]
    for head in {(each.digest, each.run): each for each in waiting}.values():
        try:
            question = here.question(head.digest, head.run)
        except (LookupError, Refused):  # part two of another question, or not asked any more
            continue
        asked = question.asked
        found.append(
            {
                "run": asked.run,
                "run_name": asked.plan.title,
                "digest": asked.digest,
                "title": asked.plan.title,
                "tier": str(asked.plan.tier),
                "expires_at": asked.expires_at.isoformat().replace("+00:00", "Z"),
                "retry": question.second.plan.title if question.first and question.second else None,
                "typed": question.needed.typed,
                "approved_by": [each.approver for each in ledger.approvals(asked)],
                "link": f"asked {'at a terminal' if asked.run.startswith(TERMINAL) else 'by a flow run'}, {asked.run}",
            }
        )
    return found


@dataclass(frozen=True)
class Words:
    """What one person says at the terminal to the plan whose digest begins so."""

    digest: str
    decision: Literal["approve", "reject"]
    who: str
    comment: str = ""
    run: str | None = None
    retry: bool = False
    code: str | None = None
    target: str | None = None

    @property
    def approves(self) -> bool:
        """Whether it is an approval."""
        return self.decision == "approve"


def decide(words: Words, *, as_json: bool) -> None:
    """Answer the question of that digest, in the ledger if it is there, else by Prefect's form; say what follows."""
    check_words(words.who, words.comment)
    with err.status("looking for what waits"):
        from flows.answering import desk

    api = Settings.load().prefect_api
    with desk(api) as here:
        question = None
        try:
            question = here.question(words.digest, words.run) if here is not None else None
        except LookupError:
            if api is None:
                raise
        if here is None or question is None:
            _by_form(words, as_json=as_json)
            return
        asked, answer = question.asked, _answer(words, question)
        with err.status(f"writing it into the ledger{f', asking {api} to wake its run' if api else ''}"):
            answered = here.take(question, answer)
    if as_json:
        told = {"decision": words.decision, "approver": words.who, "digest": asked.digest, "run": asked.run}
        print_json({**told, "title": asked.plan.title, "missing": answered.missing, "woken": answered.woken})
        return
    follows = "it is carried out once its facts are checked again" if words.approves else "nothing is changed"
    if answered.missing:
        follows = "a second person has to approve it"
    short = f"{asked.digest[:4]} {asked.digest[4:8]}"
    said = f"{_SAID[words.decision]} by {words.who}: {asked.plan.title} ({short}); {follows}.\n{answered.woken}"
    out.print(said, markup=False, soft_wrap=True)


def _answer(words: Words, question: Question) -> Answer:
    """What was said, with what policy needs beside it asked for."""
    from remediations.engine import Answer

    asked, needed, code = question.asked, question.needed, words.code
    if words.approves and needed.typed and not words.target:
        fail(f"{asked.plan.title}: it is changed for good, so type its name: --target '{needed.typed}'")
    if words.approves and needed.proof is Proven.CODE and not code:
        code = _ask(words.who)
    return Answer(
        decision=words.decision,
        approver=words.who,
        comment=words.comment,
        retry=words.retry,
        digest=asked.digest[:8],
        code=(code or "").replace(" ", ""),
        target=words.target or "",
    )


_SAID = {"approve": "approved", "reject": "rejected"}


def _ask(who: str) -> str:
    if not sys.stdin.isatty():
        fail("policy asks for a one-time code: give --code CODE, since this is no terminal to ask at", Exit.NOT_APPROVED)
    return ask_code(who)


def _by_form(words: Words, *, as_json: bool) -> None:
    """Answer by Prefect's form, from a machine that has no ledger: the run checks it."""
    api = prefect_api()
    asking = f"asking {api}"
    with err.status(asking):
        from flows import approvals
        from remediations.engine.ports import NO_CODE
    try:
        with approvals.client_for(api) as client:
            with err.status(asking):
                asked = approvals.find(client, words.digest, words.run)
            code, target = words.code, words.target
            if words.approves and "code" in asked.fields and not code:
                code = _ask(words.who)  # with no line of progress, which would be written over the question
            if not words.approves:
                code, target = NO_CODE, asked.typed
            with err.status(asking):
                approvals.answer(
                    client,
                    asked,
                    words.decision,
                    approver=words.who,
                    comment=words.comment,
                    retry=words.retry,
                    code=code or "",
                    target=target or "",
                )
    except approvals.NotTaken as error:
        fail(str(error), Exit.NOT_APPROVED)
    except httpx.HTTPError as error:
        fail(f"{_silent(api, error)}: is `remediate serve` running?", Exit.FAILED)
    if as_json:
        told = {"decision": words.decision, "approver": words.who}
        print_json({**told, **asked.model_dump(mode="json", exclude={"fields"})})
        return
    follows = "it is checked against the ledger, then carried out" if words.approves else "nothing is changed"
    said = f"{_SAID[words.decision]} by {words.who}: {asked.title} ({asked.shown}); {follows}.\n{asked.link}"
    out.print(said, markup=False, soft_wrap=True)
