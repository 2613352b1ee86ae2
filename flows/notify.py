"""Telling people, by Prefect's notification blocks: who is told of what stands in site.yaml (`notify`).

Nothing here may stop a run: what cannot be told is logged, and the run's page has it all the same.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec
from uuid import UUID

import httpx
import structlog
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from flows.approvals import run_link
from remediations.engine import Ask, Report
from remediations.engine.recover import Recovered
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.roll import parent
from remediations.model.site import Moment, Notify

P = ParamSpec("P")

PATIENCE = 20.0
"""Seconds that one block may take; a run waits no longer for a chat that does not answer."""

LONGEST = 600
"""Characters of a text that came from a host or an alert."""

log = structlog.get_logger(__name__)

_INERT = str.maketrans({"<": "‹", ">": "›", "[": "⟦", "]": "⟧", "`": "'", "@": "＠", "|": "¦", "*": "∗", "_": "＿", "~": "∼"})


def moment_of(outcome: Outcome) -> Moment | None:
    """What people are told of an outcome; None for one that needs nobody: over, rejected by a person, another run's."""
    if outcome.reason in (Reason.SYMPTOM_GONE, Reason.DUPLICATE_IN_PROGRESS, Reason.NOT_APPROVED):
        return None
    return {
        Ending.MENDED: Moment.MENDED,
        Ending.NOTHING_TO_DO: None,
        Ending.FAILED: Moment.FAILED,
        Ending.UNDONE: Moment.FAILED,
    }.get(outcome.ending, Moment.NEEDS_PERSON)


def _stops_nothing(told: Callable[P, None]) -> Callable[P, None]:
    """Whatever keeps people from being told is logged, and is all that happens."""

    @functools.wraps(told)
    def tried(*given: P.args, **named: P.kwargs) -> None:
        try:
            told(*given, **named)
        except Exception:  # not Prefect's own ways to end a run: those are no `Exception`
            log.exception("nobody could be told")

    return tried


@_stops_nothing
def tell_asked(targets: Sequence[Notify], ask: Ask) -> None:
    """Tell that a plan waits for a decision; once for each question, however often its run begins again."""
    run = flow_run.get_id()
    if not targets or run is None or _asked_before(UUID(run), ask.key):
        return
    title = "; ".join(plan.title for plan in (ask.plan, ask.retry) if plan is not None)
    until = f"Plan {ask.digest[:4]} {ask.digest[4:8]}, answer until {ask.expires_at:%Y-%m-%d %H:%M} UTC."
    tell(targets, Moment.APPROVAL, title, until, run)


@_stops_nothing
def tell_ended(targets: Sequence[Notify], report: Report) -> None:
    """Tell how a run ended."""
    moment = moment_of(report.outcome)
    if moment is not None:
        about = f" ({report.incident_id})" if report.incident_id else ""
        tell(targets, moment, f"{report.title or report.run}{about}", report.outcome.summary, report.run)


@_stops_nothing
def tell_recovered(targets: Sequence[Notify], recovered: Recovered) -> None:
    """Tell how a run ended that could not say it itself."""
    moment = moment_of(recovered.outcome)
    if moment is not None:
        tell(targets, moment, recovered.incident_id or recovered.run, recovered.outcome.summary, recovered.run)


def tell(targets: Sequence[Notify], moment: Moment, title: str, text: str, run: str) -> None:
    """Tell everybody who wants to know of such moments: `title` and `text` may hold what alerts and hosts said."""
    subject = f"Hyper-V remediation, {moment.value}: {inert(title)}"
    body = f"{inert(text)}\n{_link(run)}"
    for target in targets:
        if moment in target.on:
            _send(target.block, subject, body)


def inert(text: str) -> str:
    """Text from outside on one line, of which no chat makes a link, a mention, an image or markup."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = line.replace("://", ":⁄⁄").replace("www.", "www․").translate(_INERT)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def unknown_blocks(targets: Sequence[Notify]) -> list[str]:
    """Blocks that Prefect does not have, or that notify nobody."""
    found = []
    for target in targets:
        try:
            _load(target.block)
        except Exception:  # whatever Prefect's client raises
            found.append(target.block)
    return found


def _send(block: str, subject: str, body: str) -> None:
    """Send by one block, from a thread of its own, so that one that hangs holds up nobody."""
    failed: list[str] = []

    def work() -> None:
        try:
            send: Any = _load(block).notify  # its stub does not know that it waits by itself outside an event loop
            send(body, subject)
        except Exception as error:  # a chat that is down is no reason to stop
            # Its text may hold the address, and that is the secret of a webhook.
            failed.append(type(error).__name__)

    thread = threading.Thread(target=work, name=f"notify {block}", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        failed.append(f"no answer within {PATIENCE:g} s")
    if failed:
        log.warning("nobody could be told", block=block, subject=subject, why=failed[0])


def _load(name: str) -> NotificationBlock:
    import prefect.blocks.notifications  # noqa: F401, PLC0415 - Prefect knows a kind of block only once it is imported

    block = Block.load(name)
    if not isinstance(block, NotificationBlock):
        raise TypeError(f"{name} is a {type(block).__name__}, which notifies nobody")
    return block


def _link(run: str) -> str:
    """Where a person sees the run, or the one that began it; a run at a terminal has no page."""
    shown = parent(run)
    try:
        UUID(shown)
    except ValueError:
        return f"run {inert(run)}"
    settings = get_current_settings()
    ui = settings.ui_url
    return f"{ui.rstrip('/')}/runs/flow-run/{shown}" if ui else run_link(str(settings.api.url), shown)


def _asked_before(run: UUID, key: str) -> bool:
    """Whether this run has put this question already: Prefect keeps its form under the question's key."""
    with get_client(sync_client=True) as client:
        try:
            client.read_flow_run_input(run, f"suspended-{key}-schema")
        except PrefectHTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            return False
    return True
