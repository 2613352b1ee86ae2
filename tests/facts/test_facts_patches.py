"""Builds, microcode, firmware and speculation control, as hosts answer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from remediations.facts.patches import PatchLevel, Speculation, microcode_differs, patch_level, speculation
from remediations.facts.query import Unreadable
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

WINDOWS = {"BuildNumber": "20348", "Caption": "Microsoft Windows Server 2022 Datacenter", "Version": "10.0.20348"}
PROCESSOR = {"Description": "Intel64 Family 6 Model 85 Stepping 7", "Name": "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"}
COMPUTER = {"Manufacturer": "HPE", "Model": "ProLiant DL380 Gen10"}
RELEASED = datetime(2023, 8, 8, 19, tzinfo=timezone(timedelta(hours=-5)))
"""20230809000000.000000+000 of WMI, as a host in New York passes it on."""
BIOS = {
    "SMBIOSBIOSVersion": "U30",
    "SystemBiosMajorVersion": 2,
    "SystemBiosMinorVersion": 90,
    "ReleaseDate": RELEASED,
    "Manufacturer": "HPE",
}
MICROCODE = b"\x00\x00\x00\x00\x07\x37\x00\x05"
REGISTRY = {"Build": "20348", "Revision": 2849, "Microcode": MICROCODE}
MISSING = Reply(errors=(HostError(message="Die Benennung wurde nicht erkannt.", error_id="CommandNotFoundException"),))


def answered(*objects: Any) -> Reply:
    return Reply(objects=objects)


def read(
    *, bios: Any = BIOS, registry: Reply | None = None, processors: tuple[Any, ...] = (PROCESSOR, PROCESSOR)
) -> PatchLevel:
    replies = [answered(WINDOWS), answered(*processors), answered(COMPUTER), answered(bios), registry or answered(REGISTRY)]
    found = patch_level("HV01").parse(replies)
    assert isinstance(found, PatchLevel)
    return found


def test_a_host_is_known_by_build_microcode_and_firmware() -> None:
    assert read() == PatchLevel(
        subject="HV01",
        build=20348,
        revision=2849,
        microcode=0x05003707,
        processor="Intel64 Family 6 Model 85 Stepping 7",
        computer="HPE ProLiant DL380 Gen10",
        bios="U30 2.90 of 2023-08-09",
    )


@pytest.mark.parametrize(
    ("value", "revision"),
    [
        (MICROCODE, 0x05003707),
        (list(MICROCODE), 0x05003707),
        (b"\xd5\x11\x00\x0a\x00\x00\x00\x00", 0x0A0011D5),
        (bytes(8), None),
        (None, None),
    ],
)
def test_microcode_is_in_either_half_of_its_value(value: Any, revision: int | None) -> None:
    assert read(registry=answered({**REGISTRY, "Microcode": value})).microcode == revision


@pytest.mark.parametrize(
    ("bios", "told"),
    [
        (
            {"SystemBiosMajorVersion": 255, "SystemBiosMinorVersion": 255, "SMBIOSBIOSVersion": "2.19.1 "},
            "2.19.1 of 2023-08-09",
        ),
        ({"SystemBiosMajorVersion": None, "SystemBiosMinorVersion": None, "ReleaseDate": None}, "U30"),
    ],
)
def test_firmware_is_told_by_what_it_tells(bios: Any, told: str) -> None:
    assert read(bios={**BIOS, **bios}).bios == told


def test_without_the_module_the_update_and_the_microcode_are_not_known() -> None:
    found = read(registry=MISSING)
    assert (found.build, found.revision, found.microcode, found.windows) == (20348, None, None, "20348")
    assert not microcode_differs(found, read())


def test_a_host_that_contradicts_itself_or_shows_no_processor_is_not_read() -> None:
    with pytest.raises(Unreadable, match="20348 by WMI, and 26100 by its registry"):
        read(registry=answered({**REGISTRY, "Build": "26100"}))
    with pytest.raises(Unreadable, match="no processor"):
        read(processors=())


def test_microcode_is_compared_between_equal_processors_only() -> None:
    older = {"microcode": 0x05000021}
    assert microcode_differs(read(), read().model_copy(update=older))
    assert not microcode_differs(
        read(), read().model_copy(update={**older, "processor": "Intel64 Family 6 Model 63 Stepping 2"})
    )
    assert not microcode_differs(read(), read())


def settings(host: str, *told: str) -> Speculation:
    found = speculation(host).parse([answered({"Settings": list(told)})])
    assert isinstance(found, Speculation)
    return found


def test_only_settings_that_both_know_are_compared() -> None:
    here = settings("HV01", "BTIWindowsSupportEnabled True", "SSBDHardwarePresent True", "FBClearWindowsSupportEnabled True")
    there = settings("HV02", "BTIWindowsSupportEnabled False", "SSBDHardwarePresent True", "KVAShadowRequired ")
    assert list(here.differences(there)) == ["BTIWindowsSupportEnabled is True on HV01, False on HV02"]
    assert list(here.differences(here)) == []


@pytest.mark.parametrize(("reply", "reason"), [(MISSING, "HyperVRemediation"), (answered(), "SpeculationControl")])
def test_which_module_is_not_there_is_told(reply: Reply, reason: str) -> None:
    found = speculation("HV01").parse([reply])
    assert isinstance(found, NotApplicable)
    assert reason in found.reason
