"""What somebody looked at says more than the code that every such failure has; and what makes a text a failed move."""

from __future__ import annotations

import pytest

from remediations.diagnosis import Knowledge, ReportedEvent, diagnose
from remediations.diagnosis.signatures import read_signatures
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

CODE = "Move-VM : Virtual machine migration operation for 'SQL7' failed at migration source 'HV01'. (0x8009030E)"
DENIED = "Virtual machine migration operation for 'SQL7' failed at migration destination 'HV02'. Access denied (0x80070005)."


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (CODE, Cause.CREDSSP_NO_CREDENTIALS),
        (f"{CODE} msDS-AllowedToDelegateTo of HV01 is empty.", Cause.ACCESS_DENIED_DELEGATION),
        (f"{CODE} Auf der Registerkarte Delegierung fehlt der Dienst.", Cause.ACCESS_DENIED_DELEGATION),
        (f"{CODE} klist -li 0x3e7 still lists tickets from before.", Cause.KERBEROS_TICKETS_STALE),
        (f"{CODE} LsaIso.exe runs on both.", Cause.CREDENTIAL_GUARD_BLOCKS_CREDSSP),
        (f"{CODE} setspn -X: the SPN is duplicated.", Cause.SPN_MISSING),
        (f"{CODE} The A record of HV02 still points to the old address.", Cause.NAME_RESOLUTION),
        (DENIED, Cause.ACCESS_DENIED_DELEGATION),
        (f"{DENIED} It was \\\\nas\\vms\\sql7.vhdx.", Cause.SMB_PERMISSIONS),
    ],
)
def test_it_counts_before_the_code(text: str, cause: Cause) -> None:
    assert diagnose(text).hypotheses[0].cause is cause


def test_none_of_it_makes_a_failed_move_of_a_text_by_itself() -> None:
    for text in (
        "msDS-AllowedToDelegateTo is empty.",
        "The A record still points to the old address.",
        "LsaIso.exe runs on both.",
    ):
        assert diagnose(text).verdict is not TextVerdict.CAUSES


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        ("HV02 has 400 GB free.", Cause.INSUFFICIENT_MEMORY),
        ("Both are on the same build.", Cause.PATCH_OR_FIRMWARE_MISMATCH),
        ("VIRT-MIGL-In-TCP-NoScope is enabled.", Cause.FIREWALL_BLOCKED),
        ("Get-SpeculationControlSettings: identical on both.", Cause.SPECULATION_CONTROL_MISMATCH),
    ],
)
def test_what_was_looked_at_and_is_right_is_no_cause(seen: str, cause: Cause) -> None:
    answer = diagnose(f"Live migration of 'Virtual Machine SQL7' failed. {seen}")
    assert all(each.score < 0.6 for each in answer.hypotheses if each.cause is cause)


def test_a_header_that_needs_a_mark_tells_of_a_failed_move() -> None:
    ours = """
    signatures:
      - {id: it-crawls, source: us, marks: [crawls], phrases: [crawls]}
      - {id: it-limps, source: us, marks: [moving], says: {unknown: 0.3}, phrases: [limps], needs: [crawls]}
    """
    known = Knowledge((*Knowledge.packaged().signatures.values(), *read_signatures(ours, "ours.yaml")), ())
    said = "SQL7 {} to HV02. The virtual switch does not exist there."
    assert diagnose(said.format("limps"), known).verdict is not TextVerdict.CAUSES
    assert diagnose(said.format("limps and crawls"), known).hypotheses[0].cause is Cause.SWITCH_MISSING


@pytest.mark.parametrize("written", ["won't move", "won’t move", "will not move", "WON'T MOVE"])
def test_a_contraction_is_its_two_words(written: str) -> None:
    assert (
        diagnose(f"The virtual machine {written}: the processor is not supported.").hypotheses[0].cause
        is Cause.CPU_INCOMPATIBLE
    )


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("对象已存在 (0x80071392)", TextVerdict.CAUSES),
        ("加上专用侧之后，日志开始刷 `对象已存在 (0x80071392)`，重试三次全挂。", TextVerdict.NOT_A_MIGRATION_FAILURE),
    ],
)
def test_a_code_is_alone_only_where_next_to_nothing_else_stands(text: str, verdict: TextVerdict) -> None:
    """Chinese has no spaces: a whole sentence of it is few words."""
    assert diagnose(ReportedEvent(text=text)).verdict is verdict
