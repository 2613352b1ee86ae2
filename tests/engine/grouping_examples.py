"""Failures whose text means something, and a board on which nothing but the decisions about them happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from remediations.engine.grouping import arrange
from remediations.ledger import Board, Move, OpenIncident, Queued, Standing
from remediations.model.causes import Cause
from remediations.model.incident import Incident
from remediations.model.plan import Manual, Plan
from remediations.model.tier import Proof, Reversal, Tier

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

TEXTS = {
    Cause.ACCESS_DENIED_DELEGATION: (
        "The Virtual Machine Management Service failed to authenticate the connection for a Virtual Machine migration at the "
        "source host: no suitable credentials available. (0x8009030E)"
    ),
    Cause.SWITCH_MISSING: "Could not find Ethernet switch 'vSwitch-Prod'.",
    None: "",
}
"""A text for a group; what the diagnosis makes of the first may be another cause of the same code, and always the same."""


def failure(vm: str, source: str | None, destination: str | None, text: str = "", **more: object) -> Incident:
    return Incident.model_validate({"vm": vm, "source": source, "destination": destination, "message": text, **more})


def plan(vm: str | None = None) -> Plan:
    """A sealed mend; aimed at one virtual machine if one is named."""
    return Plan(
        remediation="eject-media" if vm else "register-spns",
        request={"vm": vm} if vm else {"host": "HV01"},
        title="A mend",
        tier=Tier.LOCAL,
        reversal=Reversal.EXACT,
        proof=Proof.STATE,
        items=(Manual(why="by hand", instructions=("do it",)),),
    )


def for_all_but_named(plan: Plan, incident: Incident) -> bool:
    """A plan mends everybody's trouble unless it names one virtual machine."""
    return plan.request.get("vm") in (None, incident.vm)


class World:
    """Incidents, runs and what becomes of them; the rules of the ledger, in memory, without its database."""

    def __init__(self, max_open_runs: int) -> None:
        self.most = max_open_runs
        self.stand: dict[str, tuple[Standing, str | None]] = {}
        self.incidents: dict[str, OpenIncident] = {}
        self.sealed: dict[str, tuple[Plan, ...]] = {}
        self.closed: set[str] = set()
        self.begun: list[str] = []
        self.taken_at: dict[str, int] = {}

    def report(self, incident: Incident) -> str:
        number = f"INC-{len(self.incidents):06}"
        at = BEGAN + timedelta(seconds=len(self.incidents))
        self.incidents[number] = OpenIncident(id=number, incident=incident, opened_at=at)
        self.stand[number] = (Standing.NEW, None)
        return number

    def of(self, *standings: Standing) -> list[str]:
        return [each for each in self.incidents if each not in self.closed and self.stand[each][0] in standings]

    def board(self) -> Board:
        followers = self.of(Standing.JOINED, Standing.HELD)
        leading = self._queued(self.of(Standing.STARTED))
        return Board(
            waiting=self._queued(self.of(Standing.NEW, Standing.WAITS)),
            leading=leading,
            left=self._queued([each for each in followers if self.stand[each][1] in self.closed]),
            running=len(leading),
        )

    def _queued(self, ids: Sequence[str]) -> tuple[Queued, ...]:
        return tuple(
            Queued(
                opened=self.incidents[each],
                standing=self.stand[each][0],
                leader=self.stand[each][1],
                since=BEGAN,
                sealed=self.sealed.get(each, ()),
            )
            for each in ids
        )

    def arrange(self) -> list[Move]:
        moves = arrange(self.board(), max_open_runs=self.most, covers=for_all_but_named)
        for move in moves:
            self.stand[move.incident_id] = (move.standing, move.leader)
            if move.standing is Standing.STARTED:
                self.begun.append(move.incident_id)
        return moves

    def seal(self, number: str, mend: Plan) -> None:
        """Its run shows a plan; whom it does not help is set apart at once."""
        self.sealed[number] = (mend,)
        for each in self.of(Standing.JOINED):
            if self.stand[each][1] == number and not for_all_but_named(mend, self.incidents[each].incident):
                self.stand[each] = (Standing.APART, None)

    def end(self, number: str) -> None:
        """Its run ends, and with it those that its mend is for; the others are set apart."""
        mends = self.sealed.get(number, ())
        for each in self.of(Standing.JOINED):
            if self.stand[each][1] == number:
                if any(for_all_but_named(mend, self.incidents[each].incident) for mend in mends):
                    self.closed.add(each)
                else:
                    self.stand[each] = (Standing.APART, None)
        self.closed.add(number)

    def read_again(self) -> None:
        """All of them fail still: the worst case."""
        for each in self.of(Standing.AGAIN):
            self.stand[each] = (Standing.NEW, None)
        for each in self.of(Standing.APART):
            self.stand[each] = (Standing.WAITS, None)
