"""`remediate diagnose` as people and scripts use it: file, text, standard input; words, JSON, JSON Lines."""

# ruff: noqa: E501 - messages stand as Windows writes them, on one line

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from remediations.cli.diagnose import diagnose

app = typer.Typer()
app.command()(diagnose)
LIMIT = "Live migration of 'VM01' failed. Virtual machine migration limit '2' was reached, please wait for completion of an ongoing migration operation."
REFUSED = "Failed to establish a connection with host 'HV02': No connection could be made because the target machine actively refused it. (0x8007274D)"


def run(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)


def answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_text_as_an_argument_is_answered_in_words() -> None:
    result = run(LIMIT)
    assert result.exit_code == 0
    assert "VM01 would not move" in result.stdout
    assert "migration_limit_reached" in result.stdout
    assert "for:" in result.stdout


def test_a_file_and_standard_input_give_the_same_json(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_bytes(LIMIT.encode("utf-16"))
    by_file = run(str(path), "--json")
    piped = run("--json", given=path.read_bytes())
    dashed = run("-", "--json", given=path.read_bytes())
    assert by_file.exit_code == 0
    assert by_file.stdout == piped.stdout == dashed.stdout
    (answer,) = json.loads(by_file.stdout)
    assert answer["verdict"] == "causes"
    assert answer["causes"][0]["cause"] == "migration_limit_reached"
    assert 0 < answer["causes"][0]["score"] <= 1
    assert answer["causes"][0]["evidence"]
    assert answer["incident"]["vm"] == "VM01"


UNCLEAR = "HV01 -> HV02: Anmeldung per CredSSP – keine Anmeldeinformationen, abgelehnt"


def test_what_words_alone_point_to_stands_beside_unknown_and_says_so() -> None:
    words = run(UNCLEAR)
    assert "unknown: nothing in it is sure of a cause" in " ".join(words.stdout.split())
    assert "for: weak: words only" in words.stdout
    (line,) = answers(run("--jsonl", given=json.dumps({"text": UNCLEAR}).encode()))
    assert line["verdict"] == "unknown"
    assert line["causes"][0]["cause"] == "credssp_no_credentials"
    assert all(0 < each["score"] < 0.25 for each in line["causes"])
    (answer,) = json.loads(run(UNCLEAR, "--json").stdout)
    assert [each["cause"] for each in answer["causes"]] == [each["cause"] for each in line["causes"]]


def test_lines_are_answered_one_by_one_and_a_bad_one_is_named() -> None:
    lines = [
        json.dumps({"log": "Microsoft-Windows-Hyper-V-High-Availability-Admin", "event_id": 21124, "provider": None}),
        "",
        "{not json",
        json.dumps(["a list"]),
        json.dumps({"text": LIMIT}),
        json.dumps({"event_id": 20415, "log": "Microsoft-Windows-Hyper-V-VMMS-Admin"}),
        json.dumps({"event_id": "wrong", "text": 7}),
    ]
    result = run("--jsonl", given="\n".join(lines).encode())
    assert result.exit_code == 0
    first, empty, bad, listed, limit, success, odd = answers(result)
    assert first["causes"][0]["cause"] == "cluster_group_multi_vm"
    assert empty["incident"] == {"error": "line 2 is empty: give one JSON object per line", "line": 2}
    assert bad["incident"]["line"] == 3
    assert "line 3 is no JSON object but '{not json'" in bad["incident"]["error"]
    assert "a list" in listed["incident"]["error"]
    assert limit["causes"][0]["cause"] == "migration_limit_reached"
    assert (success["verdict"], success["causes"], success["incident"]) == ("not_a_migration_failure", [], {})
    assert all(each["verdict"] == "unknown" and each["causes"] == [] for each in (empty, bad, listed, odd))
    for answer in answers(result):
        assert set(answer) == {"verdict", "causes", "incident"}
        assert all(set(cause) == {"cause", "score", "evidence"} for cause in answer["causes"])


def test_a_line_tells_names_codes_and_nested_messages_also_where_no_machine_is_named() -> None:
    named = f"Live migration of 'Virtual Machine VM01' failed.\n\n{REFUSED}"
    lines = [json.dumps({"text": named}), json.dumps({"text": REFUSED, "time": "2026-11-30T09:00:00Z"})]
    whole, part = (each["incident"] for each in answers(run("--jsonl", given="\n".join(lines).encode())))
    assert (whole["vm"], whole["destination"], part["vm"], part["destination"]) == ("VM01", "HV02", None, "HV02")
    assert whole["codes"] == part["codes"]
    assert [each["name"] for each in whole["codes"]] == ["WSAECONNREFUSED"]
    assert whole["messages"] == ["Live migration of 'Virtual Machine VM01' failed.", *part["messages"]]
    assert part["occurred_at"] == "2026-11-30T09:00:00Z"


def test_evidence_that_several_causes_share_stands_once() -> None:
    words = run("Live migration of 'Virtual Machine VM01' failed. (0x8009030E)").stdout
    assert words.count("for: 0x8009030E") == 1
    assert words.index("kerberos_tickets_stale") < words.index("for: 0x8009030E")


def test_a_line_that_comes_again_is_answered_again_and_a_bad_one_by_its_own_number() -> None:
    limit, other = json.dumps({"text": LIMIT}), json.dumps({"event_id": 20415, "log": "Microsoft-Windows-Hyper-V-VMMS-Admin"})
    long = json.dumps({"text": LIMIT, "more": "x" * 5000})
    given = [limit, "{not json", other, limit, "{not json", long, long]
    first, bad, success, again, worse, *both = answers(run("--jsonl", given="\n".join(given).encode()))
    assert again == first
    assert both == [first, first]
    assert success["verdict"] == "not_a_migration_failure"
    assert (bad["incident"]["line"], worse["incident"]["line"]) == (2, 5)


def test_lines_of_an_old_console_are_read_by_its_code_page() -> None:
    german = '{"text": "Fehler bei der Livemigration: Der Schlüsselschutz ist ungültig"}'.encode("cp1252")
    broken = '{"text": "Schlüssel'.encode("cp1252")
    answer, wrong = answers(run("--jsonl", given=german + b"\n" + broken))
    assert answer["causes"][0]["cause"] == "vtpm_key_protector"
    assert "Schlüssel" in wrong["incident"]["error"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_lines_on_standard_input_in_the_encodings_of_powershell(encoding: str) -> None:
    given = (json.dumps({"text": LIMIT}) + "\r\n" + json.dumps({"text": LIMIT})).encode(encoding)
    assert [each["verdict"] for each in answers(run("--jsonl", given=given))] == ["causes", "causes"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_lines_from_a_file_in_the_encodings_of_powershell(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        "\n".join(
            [json.dumps({"text": LIMIT}), json.dumps({"text": "“実時間” ライブ マイグレーションに失敗"}, ensure_ascii=False)]
        ).encode(encoding)
    )
    result = run("--jsonl", str(path))
    assert [each["verdict"] for each in answers(result)] == ["causes", "unknown"]


def test_what_cannot_be_read_stops_with_its_name(tmp_path: Path) -> None:
    missing = run("--jsonl", str(tmp_path / "none.jsonl"))
    assert missing.exit_code == 2
    assert "none.jsonl" in missing.stderr
    wrong = tmp_path / "ours.yaml"
    wrong.write_text("signatures: [{id: abc}]")
    refused = run(LIMIT, "--signatures", str(wrong))
    assert refused.exit_code == 2
    assert "ours.yaml: entry 1 (abc)" in refused.stderr


@pytest.mark.parametrize("name", ["evnet.json", "logs/hv01", r"C:\logs\hv01.txt", "/var/log/hv01.log"])
def test_a_file_that_is_not_there_is_not_taken_for_a_report(name: str) -> None:
    result = run(name)
    assert result.exit_code == 2
    assert f"{name}: there is no such file" in result.stderr


def test_a_directory_is_not_taken_for_a_report(tmp_path: Path) -> None:
    result = run(str(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path}: this is a directory" in result.stderr


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_is_no_directory(text: str) -> None:
    result = run(text)
    assert (result.exit_code, result.stdout.startswith("unknown: ")) == (0, True), result.stderr


@pytest.mark.parametrize(
    "text", ["0x8009030E", "21502", "0x80072EE2.", "移行に失敗しました。", '{"text":"C:\\\\VMs/a.vhdx"}', "<a/>"]
)
def test_one_word_may_be_all_that_somebody_has(text: str) -> None:
    assert run(text).exit_code == 0


def test_half_characters_do_not_break_the_output() -> None:
    line = '{"text": "Live migration of \\u0027Virtual Machine VM\\ud800\\u0027 failed.", "data": {"\\udfff": "\\ud83d"}}'
    (answer,) = answers(run("--jsonl", given=line.encode()))
    assert answer["verdict"] == "unknown"
    assert run(line).exit_code == 0


def test_a_sites_signatures_count(tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text("signatures: [{id: our-wall, source: us, says: {firewall_blocked: 0.9}, phrases: [the wall said no]}]")
    result = run("Live migration of 'VM01' failed: the wall said no", "--json", "--signatures", str(ours))
    assert json.loads(result.stdout)[0]["causes"][0]["cause"] == "firewall_blocked"


def test_it_streams_from_a_real_pipe() -> None:
    script = "import typer; from remediations.cli.diagnose import diagnose; typer.run(diagnose)"
    with subprocess.Popen([sys.executable, "-c", script, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate((json.dumps({"text": LIMIT}) + "\n").encode() * 3, timeout=60)
    assert process.returncode == 0
    assert len(out.splitlines()) == 3
