"""Chains of disks as a host's module follows them: what stands on what, and where each chain begins."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.checkpoints import Checkpoints, checkpoints
from remediations.facts.query import Unreadable
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

MACHINE = {"Id": "c1d3f0aa-4b7e-4a3c-9f3e-0a1b2c3d4e5f", "Name": "VM42"}
SHARED, OWN = "C:\\ClusterStorage\\Volume1\\VM42.vhdx", "D:\\VMs\\VM42.vhdx"
GIB = 1024**3


def chain(*paths: str, readable: bool = True, free: int = 900) -> list[dict[str, Any]]:
    """The files of one drive, from the one in use down."""
    parents = (*paths[1:], "")
    return [
        {"Path": path, "ParentPath": parent, "Readable": readable, "FileSize": 12 * GIB, "Free": free * GIB}
        for path, parent in zip(paths, parents, strict=True)
    ]


def read(*files: dict[str, Any], machine: Reply | None = None) -> Checkpoints:
    found = checkpoints("VM42", "HV01").parse([machine or Reply(objects=(MACHINE,)), Reply(), Reply(objects=files)])
    assert isinstance(found, Checkpoints)
    return found


@pytest.mark.parametrize(
    ("paths", "away"),
    [
        (("C:\\ClusterStorage\\Volume1\\1.avhdx", SHARED), set()),
        (("D:\\1.avhdx", SHARED), {"D:\\1.avhdx"}),
        (("D:\\2.avhdx", "C:\\ClusterStorage\\Volume1\\1.avhdx", SHARED), {"D:\\2.avhdx"}),
        # All of it is on the host's own disk: it goes along with its storage, and merging it would lose it for nothing.
        (("D:\\2.avhdx", "D:\\1.avhdx", OWN), set()),
        (("\\\\fs01\\vms\\1.avhdx", "\\\\fs01\\vms\\VM42.vhdx"), set()),
    ],
)
def test_a_differencing_disk_is_away_where_others_find_only_what_it_stands_on(paths: tuple[str, ...], away: set[str]) -> None:
    assert read(*chain(*paths)).away == away


def test_each_drive_has_a_chain_of_its_own() -> None:
    found = read(*chain("D:\\1.avhdx", SHARED), *chain("D:\\9.avhdx", OWN))
    assert (found.away, found.differencing) == ({"D:\\1.avhdx"}, {"D:\\1.avhdx", "D:\\9.avhdx"})
    assert (found.to_merge, found.room) == (24, 876)


def test_a_host_without_the_machine_has_none_and_one_without_the_module_cannot_tell() -> None:
    unknown = Reply(errors=(HostError(message="not found", error_id="InvalidParameter"),))
    assert isinstance(checkpoints("VM42", "HV01").parse([unknown, unknown, unknown]), NotApplicable)
    missing = Reply(
        errors=(HostError(message="not recognized", error_id="CommandNotFoundException", category="ObjectNotFound"),)
    )
    with pytest.raises(Unreadable, match="no module"):
        checkpoints("VM42", "HV01").parse([Reply(objects=(MACHINE,)), Reply(), missing])
