"""When each part of a run was, from the audit trail: also what an earlier process did, and how long people were waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from remediations.ledger import Note
from remediations.model.base import Frozen

Kind = Literal["reading", "people", "changing", "proving"]
"""What a part of a run is: reading and planning, waiting for people, changing, proving."""


class Span(Frozen):
    """One part of a run."""

    name: str
    kind: Kind
    began: AwareDatetime
    ended: AwareDatetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, (self.ended - self.began).total_seconds())


def chronicle(notes: Sequence[Note], occurred_at: datetime | None = None) -> tuple[Span, ...]:
    """The parts of one run in order, from its notes in the audit trail (`Ledger.trail`) and when it had failed.

    A part that nobody finished (the process died in it) ends where the next one begins.
    """
    return tuple(_spans(sorted(notes, key=lambda note: note.seq), occurred_at))


def _spans(notes: Sequence[Note], occurred_at: datetime | None) -> Iterator[Span]:
    at: datetime | None = None
    """Where the part before this one ended."""
    asked: datetime | None = None
    sent: tuple[str, datetime] | None = None
    for note in notes:
        began = at or note.at
        at = note.at
        match note.kind:
            case "run started":
                if occurred_at is not None and occurred_at < note.at:
                    yield Span(name="from the failure to the run", kind="reading", began=occurred_at, ended=note.at)
            case "considered" if asked is None:  # else it is within the wait, which it does not tell apart
                yield Span(name="read and plan", kind="reading", began=began, ended=note.at)
            case "evidence":
                yield Span(name="keep the evidence", kind="reading", began=began, ended=note.at)
            case "plan sealed":
                asked = asked or note.at
            case "approval used":
                if asked is not None:
                    yield Span(name=f"wait for approval ({note.data['approver']})", kind="people", began=asked, ended=note.at)
                asked = None
            case "step intended" | "undo intended":
                sent = (
                    f"{note.data.get('host', '')}: {str(note.data.get('command') or '').partition(' ')[0]}".strip(": "),
                    note.at,
                )
            case "step result" | "step undone" | "step not undone":
                if sent is not None:
                    name, began = sent
                    undone = {"step undone": "taken back: ", "step not undone": "not taken back: "}.get(note.kind, "")
                    yield Span(name=f"{undone}{name}", kind="changing", began=began, ended=note.at)
                sent = None
            case "verified":
                yield Span(name="read again: nothing left to do?", kind="proving", began=began, ended=note.at)
            case _:
                pass
