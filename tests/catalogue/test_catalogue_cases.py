"""Every case file gives the plan that it says, and every plan keeps the laws."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from catalogue_cases import HERE, Case, cases, every_fact, site
from hypothesis import given, settings
from hypothesis import strategies as st

from remediations.catalogue import CATALOGUE
from remediations.facts.query import Query
from remediations.model.command import Command
from remediations.model.contract import Effect
from remediations.model.fact import Fact, Guard, NotApplicable, Unknown, predict
from remediations.model.fact import Test as Comparison
from remediations.model.plan import Manual, Plan, Step, Verdict

CASES = cases()
every_case = pytest.mark.parametrize("case", CASES, ids=[f"{each.path.parent.name}/{each.path.stem}" for each in CASES])


def told(item: Any) -> str:
    """Everything an item says to a person."""
    return "\n".join((item.why, *(item.instructions if isinstance(item, Manual) else ())))


@every_case
def test_the_plan_is_what_the_file_says(case: Case) -> None:
    plan = case.plan
    shown = "\n".join(f"{item.item}: {item.command.text if isinstance(item, Step) else told(item)}" for item in plan.items)
    assert [item.item for item in plan.items] == [next(iter(wanted)) for wanted in case.items], shown
    for item, wanted in zip(plan.items, case.items, strict=True):
        if isinstance(item, Step):
            assert item.command.text == wanted["step"], shown
            assert item.host == wanted.get("on", item.host)
            if "undo" in wanted:
                assert (item.undo.text if item.undo else None) == wanted["undo"]
            assert wanted.get("why", "") in item.why
        else:
            assert wanted[item.item] in told(item), shown
            assert wanted.get("obstacle") in (None, getattr(item, "obstacle", None))
    assert plan.verdict == case.verdict, shown


@every_case
def test_another_spelling_of_a_host_is_the_same_request(case: Case) -> None:
    place = site()
    names = {host.name for host in place.hosts}

    def otherwise(value: Any) -> Any:
        if isinstance(value, list):
            return [otherwise(each) for each in value]
        return f"{value.lower()}.{place.domain.upper()}" if value in names else value.lower() if value == "CLUSTER1" else value

    asked = {name: otherwise(value) for name, value in case.request.model_dump(mode="json").items() if name != "vm"}
    vm = {"vm": case.request.vm} if hasattr(case.request, "vm") else {}
    spelled = type(case.request).model_validate(asked | vm).spelled(place)
    assert spelled == case.request.spelled(place)
    assert not any("." in str(value) for name, value in spelled.model_dump().items() if value and name != "vm")


def test_another_process_makes_the_very_same_plans_of_the_same_facts() -> None:
    """A run is suspended in one process and goes on in another, where sets come in another order."""
    made, digests = [], "{str(each.path): each.plan.digest for each in catalogue_cases.cases()}"
    code = f"import json, catalogue_cases; print(json.dumps({digests}))"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
        told = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout
        made.append(json.loads(told))
    one, other = made
    assert len(one) == len(CASES)
    assert [path for path in one if one[path] != other[path]] == []


def facts_of(inputs: Mapping[str, Any]) -> dict[str, Fact]:
    """All facts of a plan's inputs by key."""
    every = [each for value in inputs.values() for each in (value.values() if isinstance(value, Mapping) else (value,))]
    return {each.key: each for each in every if isinstance(each, Fact)}


def swapped(inputs: Mapping[str, Any], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """The inputs with these facts in place of those of the same key."""

    def swap(value: Any) -> Any:
        return facts.get(value.key, value) if isinstance(value, Fact) else value

    return {
        name: {host: swap(each) for host, each in value.items()} if isinstance(value, Mapping) else swap(value)
        for name, value in inputs.items()
    }


def come_true(guard: Guard, facts: dict[str, Fact]) -> None:
    """Make a waited-for condition true."""
    fact = facts[guard.fact]
    if not guard.holds(facts):
        bound = (
            guard.bound[0]
            if guard.test is Comparison.IN
            else f"not {guard.bound}"
            if guard.test is Comparison.NOT
            else guard.bound
        )
        facts[guard.fact] = type(fact).model_validate(fact.model_dump(mode="json") | {guard.field: bound})


@every_case
def test_once_done_there_is_nothing_left_to_do(case: Case) -> None:
    plan = case.plan
    if not plan.appliable:
        return
    assert all(guard.holds(facts_of(case.inputs)) for guard in plan.steps[0].guards)
    after = predict(facts_of(case.inputs), plan.changes)
    for wait in plan.waits:
        for guard in wait.until:
            come_true(guard, after)
    again = case.request.planned(swapped(case.inputs, after))
    assert again.verdict is Verdict.ABSENT, again.items


def guards_of(plan: Plan) -> Iterator[Guard]:
    """Every condition that a plan names."""
    for step in plan.steps:
        yield from step.guards
    for wait in plan.waits:
        yield from wait.until


VALUES = {
    int: st.integers(0, 40),
    frozenset: st.frozensets(st.sampled_from(("MigratingVirtualMachine", "BackingUpVirtualMachine"))),
}


@every_case
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_moves_by_itself_leaves_the_digest_alone(case: Case, data: st.DataObject) -> None:
    plan = case.plan
    before = facts_of(case.inputs)
    moved = dict(before)
    for key, fact in before.items():
        for field in sorted(fact.volatile):
            value = getattr(fact, field)
            if type(value) in VALUES:
                moved[key] = moved[key].model_copy(update={field: data.draw(VALUES[type(value)], label=f"{key} {field}")})
    if not plan.appliable or any(guard.holds(before) != guard.holds(moved) for guard in guards_of(plan)):
        return
    assert case.request.planned(swapped(case.inputs, moved)).digest == plan.digest


@every_case
def test_every_command_obeys_its_contract_and_names_one_thing(case: Case) -> None:
    hosts = {host.name for host in site().all_hosts()}
    for step in case.plan.steps:
        close = [step.close.command] if step.close else []
        assert all(each.host in hosts and each.host != step.host for each in step.carries)
        for each in (step.command, *([step.undo] if step.undo else []), *close):
            assert each.effect is Effect.CHANGE
        for each in step.commands:
            assert Command.model_validate(each.model_dump(mode="json")) == each
            assert "*" not in each.text
        assert step.host in hosts
        if step.close:
            assert step.close.host in hosts


@every_case
def test_every_bracket_that_opens_is_closed(case: Case) -> None:
    opened = [step.opens for step in case.plan.steps if step.opens]
    closed = [item.closes for item in (*case.plan.steps, *case.plan.waits) if item.closes]
    assert sorted(opened) == sorted(closed)


@every_case
@pytest.mark.parametrize("nothing", [Unknown(reason="it is dark"), NotApplicable(reason="it is not here")])
def test_where_nothing_is_known_or_nothing_is_there_a_plan_says_so(case: Case, nothing: Unknown | NotApplicable) -> None:
    blank = {
        name: nothing if isinstance(query, Query) else dict.fromkeys(query, nothing)
        for name, query in case.reads.queries.items()
    }
    assert not case.request.planned(dict(case.reads.given) | blank).steps


@every_case
def test_a_plan_survives_its_way_through_json(case: Case) -> None:
    assert Plan.model_validate(case.plan.model_dump(mode="json")).digest == case.plan.digest


@every_case
def test_what_cannot_be_read_is_never_taken_for_healthy(case: Case) -> None:
    dark = Unknown(reason="the host does not answer")
    blind = {
        name: dict.fromkeys(query, dark) if isinstance(query, Mapping) else dark for name, query in case.reads.queries.items()
    }
    assert case.request.planned({**case.inputs, **blind}).verdict is Verdict.UNKNOWN
    for name, unread in blind.items():
        plan = case.request.planned({**case.inputs, name: unread})
        assert plan.verdict is not Verdict.ABSENT or case.plan.verdict is Verdict.ABSENT


@every_case
def test_whatever_one_answer_is_missing_there_is_a_plan(case: Case) -> None:
    """One host is silent or offers no such command, and all else is as it was."""
    for nothing in (Unknown(reason="it is dark"), NotApplicable(reason="it is not offered")):
        for name, query in case.reads.queries.items():
            told = case.inputs[name]
            parts = [{**told, host: nothing} for host in query] if isinstance(query, Mapping) else [nothing]
            for one in parts:
                assert case.request.planned({**case.inputs, name: one}).items


@every_case
def test_reads_only_read_and_name_what_the_plan_takes(case: Case) -> None:
    for query in case.reads.queries.values():
        for each in (query,) if isinstance(query, Query) else query.values():
            assert all(command.effect is Effect.READ for command in each.commands)
    assert set(inspect.signature(case.request.plan).parameters) == {*case.reads.given, *case.reads.queries}


def test_every_remediation_has_cases() -> None:
    assert set(CATALOGUE) == {each.path.parent.name for each in CASES}


def test_every_fact_names_only_fields_of_its_own_as_volatile() -> None:
    for kind in every_fact().values():
        assert kind.volatile <= set(kind.model_fields)


HOSTILE = "VM42\u2019; Remove-VM -Name b -Force #'"


@every_case
def test_what_a_person_is_told_to_paste_keeps_a_hostile_name_within_its_quotes(case: Case, tmp_path: Path) -> None:
    """Whoever may name a virtual machine is not who may have an administrator run something."""
    folder = tmp_path / case.path.parent.name
    folder.mkdir()
    named = json.loads(
        case.path.read_text("utf-8"), object_hook=lambda found: {key: _renamed(each) for key, each in found.items()}
    )
    (folder / case.path.name).write_text(json.dumps(named), "utf-8")
    for item in Case.load(folder / case.path.name).plan.items:
        commands = [line for line in getattr(item, "instructions", ()) if re.search(r" -(Name|VMName|vm) ", line)]
        for line in commands:
            bare = re.sub(r"-\w+ '(?:[^'\u2018-\u201b]|(['\u2018-\u201b])\1)*'|--vm '(?:[^']|'\"'\"')*'", "", line)
            assert not re.search(r"-(Name|VMName|-vm) \S*VM42", bare), line


@every_case
def test_what_a_person_is_told_to_paste_is_meant_for_powershell(case: Case) -> None:
    """PowerShell leaves cmd.exe's %NAME% as it is, and takes <name> for a redirection."""
    for item in case.plan.items:
        assert not re.search(r"%\w+%|<\w+>", told(item))


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    return HOSTILE if value == "VM42" else value
