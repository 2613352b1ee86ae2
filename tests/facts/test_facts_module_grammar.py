"""The PowerShell that we hand out parses by a grammar of the language, and its module says whose each command is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

import remediations
from remediations.model.contract import Effect, contract

FOLDER = Path(remediations.__file__).parents[1] / "configs" / "HyperVRemediation"
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in {".psm1", ".psd1", ".psrc", ".pssc", ".ps1"})
MODULE = FOLDER / "HyperVRemediation.psm1"

OF_THE_LANGUAGE = {"Set-StrictMode", "Export-ModuleMember", "ForEach-Object", "Where-Object", "Write-Verbose"}
"""Of PowerShell's core; every other command could be another module's of that name, or a person's alias."""

SNAP_INS = {
    "Microsoft.PowerShell.Core",
    "Microsoft.PowerShell.Management",
    "Microsoft.PowerShell.Utility",
    "Microsoft.WSMan.Management",
}
"""Whose cmdlets are in every session of Windows PowerShell, restricted ones among them."""
ONLY_IN_THE_MODULE = {"Get-FileHash", "New-Guid", "New-TemporaryFile", "Format-Hex", "Import-PowerShellDataFile"}
"""What Microsoft.PowerShell.Utility has as functions: they come with the module, not with the snap-in."""


def parsed(source: bytes) -> Node:
    return Parser(Language(tree_sitter_powershell.language())).parse(source).root_node


def every(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from every(child)


def wrong(source: bytes) -> list[str]:
    """Each place that is no PowerShell: its line, and what stands there."""
    found = [each for each in every(parsed(source)) if each.is_error or each.is_missing]
    return [f"line {each.start_point[0] + 1}: {source[each.start_byte : each.end_byte][:60]!r}" for each in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_parses(path: Path) -> None:
    assert wrong(path.read_bytes()) == []


@pytest.mark.parametrize("cut", [b"}", b")", b"'", b'"', b"]"])
def test_a_file_that_lost_a_character_does_not(cut: bytes) -> None:
    before, _, after = MODULE.read_bytes().rpartition(cut)
    assert wrong(before + after) != []


def test_the_module_says_whose_each_command_is() -> None:
    source = MODULE.read_bytes()
    named = [each.child_by_field_name("command_name") for each in every(parsed(source)) if each.type == "command"]
    commands = {source[each.start_byte : each.end_byte].decode() for each in named if each is not None}
    assert len(commands) > 30
    system = {each for each in commands if each.startswith('"$env:SystemRoot\\System32\\') and each.endswith('.exe"')}
    assert {each for each in commands if "\\" not in each} == OF_THE_LANGUAGE
    assert [each for each in commands - system - OF_THE_LANGUAGE if each.count("\\") != 1] == []


def test_a_restricted_session_has_what_the_module_calls() -> None:
    # It loads no module by itself (PSModuleAutoLoadingPreference is None there): the role imports it, or the function does.
    role = (FOLDER / "RoleCapabilities" / "HyperVRemediation.psrc").read_text("utf-8")
    imported = set(re.findall(r"'([\w.-]+)'", role.split("ModulesToImport")[1].split("VisibleCmdlets")[0]))
    lacking = []
    for function in MODULE.read_text("utf-8").split("\nfunction ")[1:]:
        own = set(re.findall(r"Microsoft\.PowerShell\.Core\\Import-Module -Name (\w+)", function))
        for home, name in re.findall(r"([\w.-]+)\\(\w+-\w+)", function):
            if home not in imported | own | SNAP_INS or name in ONLY_IN_THE_MODULE:
                lacking.append(f"{function.split()[0]}: {home}\\{name}")
    assert lacking == []


def test_a_read_that_fails_ends_no_other_reads() -> None:
    # Statements of one pipeline go on after a terminating error, but not after ActionPreferenceStopException
    # (BatchInvocationWorkItem in PowerShell.cs).
    functions = {each.split()[0]: each for each in MODULE.read_text("utf-8").split("\nfunction ")[1:]}
    reads = {name: each for name, each in functions.items() if contract(name).effect is Effect.READ}
    assert len(reads) > 10
    assert [name for name, each in reads.items() if re.search(r"ErrorAction(Preference =)? '?Stop", each)] == []
