"""Names in commands: none is a pattern where something is changed, and none ends the quotes that it stands in."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from remediations.model.command import command, quoted
from remediations.model.contract import SELECTORS, Effect, contracts

PATTERNS = ("Compute*", "Compute?", "[CSV] 1", "a]", "a`b")
CHANGES = sorted(
    (each.name, name)
    for each in contracts().values()
    if each.effect is Effect.CHANGE
    for name in set(each.allowed) & SELECTORS
    if each.parameters[name].type in ("String", "String[]", "StringCollection")
)


@pytest.mark.parametrize(("name", "parameter"), CHANGES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_change_is_aimed_by_a_pattern(name: str, parameter: str, pattern: str) -> None:
    with pytest.raises(ValidationError, match="could match more than one thing, or another"):
        command(name, **{parameter: pattern})
    if contracts()[name].parameters[parameter].type != "String":
        with pytest.raises(ValidationError, match="could match more than one thing, or another"):
            command(name, **{parameter: ("one", pattern)})


def test_a_new_name_is_no_pattern_and_reads_may_ask_by_one() -> None:
    assert command("Rename-VMSwitch", Name="Compute", NewName="[SET]").parameters["NewName"] == "[SET]"
    assert command("Get-VMSwitch", Name="Compute*").parameters["Name"] == "Compute*"


@pytest.mark.parametrize("mark", ["'", "\u2018", "\u2019", "\u201a", "\u201b"])
def test_every_mark_that_ends_a_text_in_powershell_is_doubled(mark: str) -> None:
    """about_Quoting_Rules and PowerShell's tokenizer: the typographic single quotes count as single quotes."""
    name = f"a{mark}; Remove-VM -Name b -Force #"
    assert quoted(name) == f"'a{mark}{mark}; Remove-VM -Name b -Force #'"
    assert command("Stop-VM", Name=name).text == f"Stop-VM -Name {quoted(name)} -ErrorAction Stop -Confirm:$false"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("VM42", "VM42"),
        ("web-01_a.b", "web-01_a.b"),
        ("-Force", "'-Force'"),  # would be a parameter
        ("42", "'42'"),  # would be a number
        ("a b", "'a b'"),
        ("a;b", "'a;b'"),
        ("$a", "'$a'"),
        ("bücher", "'bücher'"),
    ],
)
def test_a_name_that_powershell_would_take_for_something_else_is_quoted(name: str, shown: str) -> None:
    assert command("Stop-VM", Name=name).text == f"Stop-VM -Name {shown} -ErrorAction Stop -Confirm:$false"
