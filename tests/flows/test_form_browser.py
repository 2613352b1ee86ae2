"""The approval form as a person meets it, on Prefect's page of a suspended run. Pictures are kept in test-output/."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import gated
import pytest
from playwright.sync_api import Locator, Page, expect
from served_prefect import Served

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(300)]

SLOW = 60_000
"""Milliseconds that a busy machine may take to show something."""


def fill(form: Locator, label: str, text: str) -> None:
    """Type into the row of this label."""
    form.locator(".schema-form-property").filter(has_text=re.compile(f"^{label}")).locator("textarea").fill(text)


def given(form: Locator) -> None:
    """Submit until it is taken: while the database is busy Prefect's page says that it failed, and a person presses again."""
    for _ in range(3):
        form.get_by_role("button", name="Submit").click()
        with suppress(AssertionError):
            expect(form).to_be_hidden(timeout=SLOW / 3)
            return
    pytest.fail("Prefect's page did not take the answer")


def test_a_plan_is_read_and_approved_in_the_browser(
    served: Served, gated_deployment: UUID, shown: Page, keep: Callable[[str], Path]
) -> None:
    asked = gated.plan(host="HV31")
    run = served.gated(gated_deployment, datetime.now(UTC) + timedelta(hours=1), "HV31").id
    served.until(run, "Suspended")
    dialogs: list[str] = []
    shown.on("dialog", lambda each: dialogs.append(each.message))
    shown.goto(f"{served.api.removesuffix('/api')}/runs/flow-run/{run}")
    shown.get_by_role("button", name="Resume").click(timeout=SLOW)
    form = shown.locator(".p-modal").filter(has_text="Resume Flow Run")
    command = form.get_by_text(asked.steps[0].command.text)
    expect(command).to_be_visible(timeout=SLOW)
    shown.screenshot(path=keep("approval-form.png"))
    assert form.locator("img").count() == 0, "text from a host is never an image"

    # What is wrong is said at its row, and the run waits on.
    fill(form, "Decision", "perhaps")
    form.get_by_role("button", name="Submit").click()
    expect(form.get_by_text("'approver' is a required property")).to_be_visible(timeout=SLOW)
    fill(form, "Your name", "Anna Berg")
    form.get_by_role("button", name="Submit").click()
    expect(shown.get_by_text("'perhaps' does not match").first).to_be_visible(timeout=SLOW)
    shown.screenshot(path=keep("approval-form-refused.png"))
    assert served.until(run, "Suspended")

    fill(form, "Decision", "Approve")
    fill(form, "Digest", asked.digest[:8])
    given(form)
    served.until(run, "Completed")
    told = json.loads((served.notes / str(run)).read_text())
    assert (told["decision"], told["approver"]) == ("approve", "Anna Berg")
    shown.reload()
    shown.get_by_role("tab", name="Artifacts").or_(shown.get_by_text("Artifacts", exact=True)).first.click(timeout=SLOW)
    expect(shown.get_by_text(f"plan-{asked.digest[:12]}").first).to_be_visible(timeout=SLOW)
    shown.screenshot(path=keep("run-artifacts.png"))
    assert dialogs == []
