"""Signature files: what a site may write, and what a mistake in one says."""

# ruff: noqa: E501 - entries stand as a site would write them, on one line

from __future__ import annotations

from pathlib import Path

import pytest

from remediations.diagnosis import Knowledge, ReportedEvent, SignatureError, diagnose
from remediations.diagnosis.signatures import Code, read_codes, read_signatures
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

GOOD = """
signatures:
  - id: our-firewall
    source: our runbook
    says: {firewall_blocked: 0.97}
    phrases: [the wall said … no]
"""


def test_a_sites_file_adds_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(GOOD + "  - {id: vtpm, source: ours, says: {unknown: 0.9}, phrases: [key protector]}\n", encoding="utf-8")
    packaged = Knowledge.packaged()
    ours = packaged.with_site(path)
    text = "Live migration of 'Virtual Machine VM01' failed. The WALL said: clearly, no!"
    assert diagnose(text, packaged).verdict is TextVerdict.UNKNOWN
    assert diagnose(text, ours).hypotheses[0].cause is Cause.FIREWALL_BLOCKED
    vtpm = "The key protector for the virtual machine could not be unwrapped."
    assert diagnose(vtpm, packaged).hypotheses[0].cause is Cause.VTPM_KEY_PROTECTOR
    assert diagnose(vtpm, ours).verdict is TextVerdict.UNKNOWN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be one list named signatures"),
        ("signatures: {}", "must be one list named signatures"),
        ("signatures: [a", "is no YAML"),
        ("signatures: [3]", "entry 1"),
        ("signatures: [{id: abc}]", r"entry 1 \(abc\): source: Field required"),
        ("signatures: [{id: abc, source: us, phrases: [x]}]", r"entry 1 \(abc\).*says: give a cause or verdict"),
        ("signatures: [{id: abc, source: us, says: {spn_missing: 0.5}}]", r"entry 1 \(abc\).*phrases: give phrases"),
        ("signatures: [{id: abc, source: us, says: {spn_misssing: 0.5}, phrases: [x]}]", r"entry 1 \(abc\).*spn_misssing"),
        ("signatures: [{id: abc, source: us, says: {spn_missing: 1.5}, phrases: [x]}]", "1.5 is no weight"),
        ("signatures: [{id: abc, source: us, says: {spn_missing: 0.5}, phrase: [x]}]", r"entry 1 \(abc\): phrase: Extra inputs"),
        ("signatures: [{id: A B, source: us, says: {spn_missing: 0.5}, phrases: [x]}]", r"entry 1 \(A B\): id"),
        (GOOD + GOOD.partition("signatures:")[2], r"entry 2 \(our-firewall\) is there twice"),
        ("signatures: [{id: abc, id: abd}]", "id: is written twice, keep one"),
        ("signatures: [{[a]: b}]", "is no YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_entry(text: str, said: str) -> None:
    with pytest.raises(SignatureError, match=rf"^ours\.yaml: .*{said}"):
        read_signatures(text, "ours.yaml")


def test_phrases_and_marks_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("signatures: [{id: abc, source: us, says: {unknown: 0.5}, phrases: ['…']}]", encoding="utf-8")
    with pytest.raises(SignatureError, match="signature abc: '…' is no phrase"):
        Knowledge.packaged().with_site(path)
    path.write_text(
        "signatures: [{id: abc, source: us, says: {unknown: 0.5}, phrases: [x], needs: [migratoin]}]", encoding="utf-8"
    )
    with pytest.raises(SignatureError, match="signature abc: no signature sets the mark 'migratoin'"):
        Knowledge.packaged().with_site(path)


def test_codes_are_checked_too() -> None:
    with pytest.raises(SignatureError, match=r"codes\.yaml: entry 1 \(X\): code"):
        read_codes("codes: [{code: -1, name: X, meaning: m, source: us}]", "codes.yaml")


def test_every_cause_can_be_found_by_some_signature_or_code() -> None:
    known = Knowledge.packaged()
    said = {key for each in known.known for key, _ in each.says} | {key for code in known.codes.values() for key in code.causes}
    assert set(Cause) <= said


def test_every_entry_names_a_source() -> None:
    known = Knowledge.packaged()
    assert all(len(each.source) >= 2 for each in known.signatures.values())
    assert all(len(each.source) >= 2 for each in known.codes.values())


HEADER = (
    "Live migration of 'Virtual Machine VM01' failed. Virtual machine migration operation for 'VM01' failed at migration "
    "source 'HV01'. "
)


def _sentences() -> list[tuple[str, Cause]]:
    """Every phrase that by itself decides for one cause, whatever else is in the message."""
    found = []
    for each in Knowledge.packaged().signatures.values():
        best = max(each.says, key=lambda key: each.says[key], default=None)
        asks = each.events or each.codes or each.origin or each.unless or {*each.needs, *each.given} - {"migration"}
        if isinstance(best, Cause) and each.says[best] >= 0.5 and not asks:
            found += [(phrase, best) for phrase in each.phrases]
    return found


@pytest.mark.parametrize(("phrase", "cause"), _sentences())
def test_each_sentence_inside_the_headers_of_a_failure_leads_to_its_cause(phrase: str, cause: Cause) -> None:
    answer = diagnose(ReportedEvent(text=HEADER + phrase.replace("…", " x ")))
    assert cause in [hypothesis.cause for hypothesis in answer.hypotheses[:3]]


@pytest.mark.parametrize(
    "code", [code for code in Knowledge.packaged().codes.values() if code.causes], ids=lambda code: code.text
)
def test_each_code_inside_the_headers_of_a_failure_leads_to_its_cause(code: Code) -> None:
    best = max(code.causes, key=lambda cause: code.causes[cause])
    answer = diagnose(ReportedEvent(text=f"{HEADER}Something ({code.text})"))
    if code.unknown > code.causes[best]:
        assert answer.verdict is TextVerdict.UNKNOWN
    else:
        assert answer.hypotheses[0].cause is best


@pytest.mark.parametrize("code", ["0x8007", "0x800713", "0x80090", "0xC03A", "0xC0370", "0x803380"])
def test_a_code_that_was_cut_short_is_none(code: str) -> None:
    assert diagnose(ReportedEvent(text=f"{HEADER}Something ({code}")).verdict is TextVerdict.UNKNOWN


def test_a_code_is_found_by_its_name_as_the_clusters_log_and_programs_write_it() -> None:
    known = Knowledge.packaged()
    wrong = []
    for code in known.codes.values():
        if code.causes and code.name.replace("_", "").isalnum() and code.name.isupper():
            for text in (f"failed, status={code.name}({code.code & 0xFFFF}).", f"エラー{code.name}です"):
                said = [each.cause for each in diagnose(ReportedEvent(text=HEADER + text)).hypotheses[:3]]
                best = max(code.causes, key=lambda cause: code.causes[cause])
                if code.unknown <= code.causes[best] and best not in said:
                    wrong.append((code.name, said))
    assert not wrong


def test_a_word_that_a_codes_name_has_too_is_no_code() -> None:
    said = (("Error: timeout", "ERROR_TIMEOUT"), ("error busy", "ERROR_BUSY"), ("SEC_E_TIME_SKEW_OTHER", "SEC_E_TIME_SKEW"))
    for text, name in said:
        evidence = [line for each in diagnose(HEADER + text).hypotheses for line in each.evidence]
        assert not [line for line in evidence if name in line]


@pytest.mark.parametrize("code", ["0x13AB", "0x000013AB", "0x800713AB", "-2147019861", "2147947435", "800713ab", "error 5035"])
def test_a_win32_number_is_found_in_each_of_its_forms(code: str) -> None:
    answer = diagnose(ReportedEvent(text=f"{HEADER}Something ({code})"))
    assert answer.hypotheses[0].cause is Cause.MIGRATION_NETWORK_MISSING


def test_most_causes_have_sentences_of_their_own() -> None:
    assert len({cause for _, cause in _sentences()}) >= 20
    assert len(_sentences()) >= 300
