"""What `configs/HyperVRemediation` ships agrees with what the program sends, and reaches a host byte for byte."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import remediations
from remediations.facts.module import Module, lacking, module, shipped
from remediations.model.contract import contracts
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.plan import Obstacle
from remediations.model.reply import HostError, Reply

FOLDER = Path(remediations.__file__).parents[1] / "configs" / "HyperVRemediation"
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in {".psm1", ".psd1", ".psrc", ".pssc", ".ps1"})
SOURCE = (FOLDER / "HyperVRemediation.psm1").read_text("utf-8")
OURS = {name: each for name, each in contracts().items() if each.module == "HyperVRemediation"}


def test_every_file_is_ascii_with_plain_line_ends() -> None:
    # Windows PowerShell 5.1 reads a file without a byte order mark in the host's own code page.
    assert len(FILES) == 8
    for path in FILES:
        data = path.read_bytes()
        assert data.isascii(), path
        assert b"\r" not in data, path


def test_the_hash_is_the_files() -> None:
    assert shipped().hash == hashlib.sha256((FOLDER / "HyperVRemediation.psm1").read_bytes()).hexdigest().upper()
    assert f"ModuleVersion     = '{shipped().version}'" in (FOLDER / "HyperVRemediation.psd1").read_text("utf-8")


def test_the_functions_are_those_that_may_be_called() -> None:
    assert set(re.findall(r"^function (\S+)", SOURCE, re.MULTILINE)) == set(OURS)
    exported = SOURCE[SOURCE.index("Export-ModuleMember") :]
    assert set(re.findall(r"\w+-\w+", exported)) - {"Export-ModuleMember"} == set(OURS)
    manifest = (FOLDER / "HyperVRemediation.psd1").read_text("utf-8")
    assert set(re.findall(r"'(\w+-Remediation\w+)'", manifest)) == set(OURS)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_function_takes_what_its_contract_says(name: str) -> None:
    body = SOURCE.split(f"function {name} {{")[1].split("\n}\n")[0]
    head = body.split("param(")[1].split("\n    )")[0] if "param(\n" in body else body.split("param(")[1].split("\n")[0]
    declared = {name: kind.casefold() for kind, name in re.findall(r"\[(\w+(?:\[\])?)\] \$(\w+)", head)}
    assert declared == {key: each.type.casefold() for key, each in OURS[name].parameters.items()}


def test_no_function_runs_text() -> None:
    for word in ("Invoke-Expression", "iex ", "Invoke-Command", "ScriptBlock", "Start-Process", "Add-Type", "DownloadString"):
        assert word not in SOURCE


def test_what_is_told_of_a_file_was_read_while_it_was_there() -> None:
    """.NET looks a file's length up when it is first asked for it, and raises for one that is gone by then."""
    body = SOURCE.split("function Get-RemediationClusterLog {")[1].split("\n}\n")[0]
    told = body.split("Remove-Item -LiteralPath $directory")[1]
    assert set(re.findall(r"\$file\.(\w+)", told)) == {"FullName"}


def test_a_tickets_culture_is_the_accounts() -> None:
    # [cultureinfo]::CurrentCulture is what the client of a session asks for: en-US, whoever the host is.
    body = SOURCE.split("function Get-RemediationTicket {")[1].split("\n}\n")[0]
    assert "CurrentCulture" not in SOURCE
    assert "HKEY_CURRENT_USER\\Control Panel\\International" in body


ENGINE = {"Microsoft.PowerShell.Diagnostics", "Microsoft.PowerShell.Management", "Microsoft.PowerShell.Utility"}
"""Their cmdlets are in every restricted session; what else a role shows has to be imported by it."""
EVERYWHERE = {"Storage", "HyperVRemediation", "ActiveDirectory"}
"""Modules of which a host has one wherever the role makes sense."""
ROLES = pytest.mark.parametrize(("file", "role"), [("", "host"), ("Directory", "directory"), ("Keys", "keys")])


def role_file(file: str) -> str:
    return (FOLDER / "RoleCapabilities" / f"HyperVRemediation{file}.psrc").read_text("utf-8")


@ROLES
def test_a_role_lists_what_may_be_sent_and_nothing_else(file: str, role: str) -> None:
    text = role_file(file)
    for kind in ("cmdlet", "function"):
        block = text.split(f"Visible{kind.capitalize()}s")[1].split("\n    )")[0].split("@()")[0]
        listed = {
            line.strip(): frozenset(re.findall(r"Name = '(\w+)'", line.partition("Parameters")[2]))
            for line in block.splitlines()[1:]
        }
        wanted = {
            _entry(each.module, name, each.allowed): frozenset(() if each.module == "HyperVRemediation" else each.allowed)
            for name, each in contracts().items()
            if each.kind == kind and (each.role == role or (name == "Write-Output" and role != "keys"))
        }
        assert {re.sub(r"(; Parameters = ).*", r"\1", line): names for line, names in listed.items()} == wanted


def _entry(home: str, name: str, allowed: Sequence[str]) -> str:
    """How a command stands in a role. With parameters its name is bare: with its module before it, no client would find it."""
    if allowed and home != "HyperVRemediation":
        return f"@{{ Name = '{name}'; Parameters = "
    return f"'{name}'" if home in ENGINE else f"'{home}\\{name}'"


@ROLES
def test_a_role_imports_what_it_shows(file: str, role: str) -> None:
    imported = re.findall(r"'([\w.-]+)'", role_file(file).split("ModulesToImport")[1].split("VisibleCmdlets")[0])
    shown = {each.module for each in contracts().values() if each.role == role}
    assert set(imported) == shown - ENGINE
    assert imported[-1] in EVERYWHERE  # no session opens if the last one cannot be imported


def test_roles_are_installed_where_windows_powershell_looks_for_them() -> None:
    # Its search is Modules\*\RoleCapabilities\NAME.psrc (GetRoleCapabilityPath); a folder of a version is passed over.
    text = (FOLDER / "Install.ps1").read_text("utf-8")
    assert re.search(r'^\$target = "\$env:ProgramFiles\\WindowsPowerShell\\Modules\\HyperVRemediation"$', text, re.MULTILINE)
    assert '-Destination "$target\\RoleCapabilities"' in text


def test_a_session_configuration_has_no_language_and_names_its_role() -> None:
    for name, role in (("Remediation.pssc", "HyperVRemediation"), ("RemediationDirectory.pssc", "HyperVRemediationDirectory")):
        text = (FOLDER / name).read_text("utf-8")
        assert re.search(r"^ *SessionType += 'RestrictedRemoteServer'$", text, re.MULTILINE)
        assert f"RoleDefinitions     = @{{ 'GROUP' = @{{ RoleCapabilities = '{role}' }} }}" in text


CURRENT = Module(subject="HV01", version=shipped().version, hash=shipped().hash.lower(), expected=shipped())


@pytest.mark.parametrize(
    ("found", "obstacle"),
    [
        (CURRENT, None),
        (CURRENT.model_copy(update={"hash": "00" * 32}), Obstacle.ENDPOINT_LACKS),
        (CURRENT.model_copy(update={"version": "0.9.0"}), Obstacle.ENDPOINT_LACKS),
        (NotApplicable(reason="none"), Obstacle.ENDPOINT_LACKS),
        (Unknown(reason="HV01 does not answer"), Obstacle.UNKNOWN),
    ],
)
def test_only_the_very_module_that_was_tested_is_called(
    found: Module | Unknown | NotApplicable, obstacle: Obstacle | None
) -> None:
    block = lacking("HV01", found, "this")
    assert (block and block.obstacle) == obstacle


def test_the_hosts_answer_becomes_the_fact() -> None:
    read = module("HV01")
    assert read.parse([Reply(objects=({"Version": shipped().version, "Hash": shipped().hash},))]) == CURRENT.model_copy(
        update={"hash": shipped().hash}
    )
    missing = HostError(message="The term is not recognized", error_id="CommandNotFoundException")
    assert isinstance(read.parse([Reply(errors=(missing,))]), NotApplicable)
