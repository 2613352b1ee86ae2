"""What is said of one virtual machine that is to move now, by what a look ahead found of each of its ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediations.engine.whereabouts import _Look
from remediations.model.causes import Cause
from remediations.model.plan import Verdict
from remediations.model.readiness import Finding, Level, Readiness, VmSeen, Way, worst


def finding(name: str, cause: Cause, level: Level = Level.FAILS, verdict: Verdict = Verdict.PRESENT) -> Finding:
    return Finding(id=name, level=level, verdict=verdict, remediation="r", title=name, causes=(cause,), why=(name,))


OWNER = finding("no owner", Cause.POSSIBLE_OWNER_EXCLUDED)
SWITCH = finding("no switch", Cause.SWITCH_MISSING)
MEMORY = finding("no memory", Cause.INSUFFICIENT_MEMORY, Level.NOTED)
UNREAD = finding("memory not read", Cause.INSUFFICIENT_MEMORY, Level.NOTED, Verdict.UNKNOWN)
SILENT = finding("silent", Cause.QUORUM_OR_CLUSTER_HEALTH, Level.UNKNOWN, Verdict.UNKNOWN)
BUILD = finding("other build", Cause.PATCH_OR_FIRMWARE_MISMATCH, Level.NOTED)
RISK = ". The cluster chooses the node, and may choose one that refuses"


def look(**found: list[Finding]) -> _Look:
    """Of a machine on HV01 with these findings on the way to each node."""
    every = {each.id: each for findings in found.values() for each in findings}
    ways = tuple(
        Way(
            source="HV01",
            destination=node,
            level=worst(each.level for each in findings),
            findings=tuple(each.id for each in findings),
        )
        for node, findings in found.items()
    )
    vm = VmSeen(name="VM1", host="HV01", level=Level.NOTED, ways=ways)
    ahead = Readiness(
        at=datetime(2026, 3, 1, tzinfo=UTC), seconds=1, hosts=(), ways=ways, vms=(vm,), findings=tuple(every.values())
    )
    return _Look(vm, ahead)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"HV02": [], "HV05": [BUILD]}, ""),
        ({"HV02": [], "HV05": [UNREAD]}, ""),
        ({"HV02": [BUILD], "HV05": [OWNER]}, "can only go to HV02: no owner"),
        ({"HV02": [], "HV05": [MEMORY]}, "can only go to HV02: no memory"),
        ({"HV02": [], "HV05": [SWITCH, OWNER]}, f"can only go to HV02: no switch; no owner{RISK}"),
        ({"HV02": [], "HV05": [SILENT]}, "can only go to HV02, as far as is known: silent"),
        ({"HV02": [], "HV05": [OWNER], "HV06": []}, "cannot go to HV05: no owner"),
        ({"HV02": [], "HV05": [OWNER], "HV06": [MEMORY]}, "can only go to HV02: no owner; no memory"),
    ],
)
def test_where_it_can_go_or_not_is_told_with_the_reason(found: dict[str, list[Finding]], says: str) -> None:
    told = look(**found)
    assert told.narrow == says
    assert not told.stays
    assert not told.unknown


def test_each_destinations_first_reason_comes_before_any_second() -> None:
    told = look(HV02=[SWITCH, OWNER, SILENT], HV05=[MEMORY])
    assert told.stays
    assert told.why == "no switch; no memory; no owner; and 1 more like this"
    assert told.narrow == ""


def test_what_one_node_does_not_tell_leaves_it_open() -> None:
    told = look(HV02=[OWNER], HV05=[SILENT])
    assert told.unknown
    assert not told.stays
    assert told.why == "no owner; silent"
