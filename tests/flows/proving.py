"""Approvers with authenticators, and the questions of runs that ask by the ledger."""

from __future__ import annotations

from uuid import UUID

import pyotp
from served_prefect import Served, eventually

from flows import approvals


def enrolled(served: Served, name: str) -> pyotp.TOTP:
    """Somebody's authenticator, which took what enrolling them showed."""
    shown = served.cli("approvers", "add", name)
    assert shown.returncode == 0, shown.stderr
    (uri,) = (line for line in shown.stdout.splitlines() if line.startswith("otpauth://"))
    found = pyotp.parse_uri(uri)
    assert isinstance(found, pyotp.TOTP)
    return found


def asked(served: Served, run: UUID, *approved_by: str) -> approvals.Waiting:
    """The run's question, once it is asked of somebody beside those."""

    def look() -> approvals.Waiting | None:
        with served.client() as client:
            waiting = approvals.waiting(client)
        return next((each for each in waiting if each.run == run and each.approved_by == approved_by), None)

    return eventually(look, 150, f"the question of {run}", lambda: served.told(run))
