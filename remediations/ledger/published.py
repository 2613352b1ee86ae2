"""The trail's head as this machine last published it, kept outside of the database: an older ledger put back shows by it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import AwareDatetime, ValidationError

from remediations.ledger.audit import Store
from remediations.ledger.records import Head
from remediations.model.base import Frozen
from remediations.model.outcome import Reason, Refused

FILE = "audit-head.json"
"""Its name in the state directory."""

_ACCEPT = "find out which changes it has forgotten, then say so: `remediate audit accept --as NAME`"


class Kept(Frozen):
    """What stands in the file."""

    seq: int
    hash: str
    published_at: AwareDatetime

    @property
    def head(self) -> Head:
        """The head itself."""
        return Head(seq=self.seq, hash=self.hash)


class Published:
    """The last head that this machine put into a report, a question or an export. One file, written whole or not at all."""

    def __init__(self, state: Path) -> None:
        self.path = state / FILE

    def read(self) -> Kept | None:
        """What was published last; None if nothing was. Raises `Refused` (LedgerUnavailable) if the file cannot be read."""
        try:
            return Kept.model_validate_json(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, ValueError) as error:
            why = str(error).splitlines()[0]
            detail = f"{self.path} cannot be read ({why}), so nobody knows whether the ledger is the one it was: {_ACCEPT}"
            raise Refused(Reason.LEDGER_UNAVAILABLE, detail) from error

    def keep(self, head: Head) -> None:
        """Keep a head that is about to be shown. An older one never replaces a newer one, and one of no row is not kept.

        Raises `OSError`.
        """
        try:
            before = self.read()
        except Refused:
            return  # a person has to look at it first
        if head.seq > (before.seq if before is not None else 0):
            self._write(head)

    def check(self, ledger: Store) -> None:
        """Raise `Refused` (LedgerUnavailable) unless the ledger still holds what was published last."""
        last = self.read()
        if last is not None and not ledger.holds(last.head):
            raise Refused(Reason.LEDGER_UNAVAILABLE, self._older(last, ledger.end()))

    def accept(self, ledger: Store, by: str) -> Head:
        """Go on with the ledger as it is, on somebody's word; the trail says who. Raises `LookupError` if nothing is wrong."""
        if not by.strip():
            raise ValueError("this is somebody's doing: give a name")
        try:
            last = self.read()
        except Refused as unreadable:
            told: dict[str, Any] = {"published": None, "why": unreadable.detail}
        else:
            if last is None or ledger.holds(last.head):
                raise LookupError("nothing has to be accepted: the ledger holds what was published last")
            told = {"published": last.head.model_dump(), "why": self._older(last, ledger.end())}
        ledger.note(None, "older ledger accepted", {"by": by.strip(), "found": ledger.end().model_dump(), **told})
        head = ledger.end()
        self._write(head)
        return head

    def _older(self, last: Kept, now: Head) -> str:
        when = f"{last.published_at:%Y-%m-%d %H:%M} UTC"
        return (
            f"the ledger's trail ends at row {now.seq} and does not hold row {last.seq} as it was published at {when} "
            f"({self.path}): it was replaced by an older or another one, or its end was cut off; nothing runs: {_ACCEPT}"
        )

    def _write(self, head: Head) -> None:
        kept = Kept(seq=head.seq, hash=head.hash, published_at=datetime.now(UTC))
        fresh = self.path.with_name(f".{self.path.name}.{uuid4().hex}")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(json.dumps(kept.model_dump(mode="json")) + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
