"""`remediate approvals | approve | reject`: the gate from a terminal, by Prefect's API."""

from __future__ import annotations

from typing import Literal

import httpx

from remediations.cli.console import Exit, err, fail, out, print_json
from remediations.settings import Settings


def prefect_api() -> str:
    """Where Prefect answers: PREFECT_API_URL, else what a running `remediate serve` wrote down. Without either, ends."""
    settings = Settings.load()
    return settings.prefect_api or fail(
        f"no Prefect is known here: start `remediate serve` (state in {settings.state}), or set PREFECT_API_URL"
    )


def show(*, as_json: bool) -> None:
    """What waits for a decision, the one that expires first at the top."""
    api = prefect_api()
    with err.status(f"asking {api}"):
        from flows import approvals

        try:
            with approvals.client_for(api) as client:
                found = approvals.waiting(client)
        except httpx.HTTPError as error:
            fail(f"Prefect at {api} does not answer ({error}): is `remediate serve` running?", Exit.FAILED)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found:
        out.print("Nothing waits for a decision.")
    for each in found if not as_json else ():
        retry = f"\n  then: {each.retry}" if each.retry else ""
        until = f"tier {each.tier} · answer until {each.expires_at:%Y-%m-%d %H:%M %Z}"
        out.print(f"{each.shown}  {each.title}\n  {until}{retry}\n  {each.link}", markup=False, soft_wrap=True)
    if found and not as_json:
        out.print(f"\nremediate approve {found[0].digest[:8]} --as NAME", markup=False)


def decide(
    digest: str,
    decision: Literal["approve", "reject"],
    *,
    run: str | None,
    who: str,
    comment: str,
    retry: bool,
    as_json: bool,
) -> None:
    """Answer the question of that digest and say what follows."""
    api = prefect_api()
    with err.status(f"asking {api}"):
        from flows import approvals

        try:
            with approvals.client_for(api) as client:
                asked = approvals.find(client, digest, run)
                approvals.answer(client, asked, decision, approver=who, comment=comment, retry=retry)
        except approvals.NotTaken as error:
            fail(str(error), Exit.NOT_APPROVED)
        except httpx.HTTPError as error:
            fail(f"Prefect at {api} does not answer ({error}): is `remediate serve` running?", Exit.FAILED)
    if as_json:
        print_json({"decision": decision, "approver": who, **asked.model_dump(mode="json")})
        return
    said, follows = {
        "approve": ("approved", "it is checked against the ledger, then carried out"),
        "reject": ("rejected", "nothing is changed"),
    }[decision]
    out.print(f"{said} by {who}: {asked.title} ({asked.shown}); {follows}.\n{asked.link}", markup=False, soft_wrap=True)
