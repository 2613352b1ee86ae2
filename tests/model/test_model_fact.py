"""Facts: what a change finds before it and leaves after it, what a guard asks, and what can never satisfy either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.model.base import Json
from remediations.model.fact import Change, Fact, Guard, changes, predict, unmet
from remediations.model.fact import Test as By


class Shelf(Fact):
    """Something with one value and a set of members."""

    label: str | None = "Off"
    books: frozenset[str] = frozenset()
    free: int | None = 0


def shelf(*books: str, label: str | None = "Off", free: int | None = 0) -> dict[str, Fact]:
    there = Shelf(subject="HV07", books=frozenset(books), label=label, free=free)
    return {there.key: there}


NAMED = Change(fact="Shelf:hv07", field="label", before="Off", after="Running")
ADDED = Change(fact="Shelf:hv07", field="books", members=True, before=[], after=["cifs/hv07"])
SWAPPED = Change(fact="Shelf:hv07", field="books", members=True, before=["old"], after=["new"])
FADES = Change(fact="Shelf:hv07", field="books", members=True, fading=True, before=["one", "two"], after=[])


@pytest.mark.parametrize(
    ("change", "facts", "before", "after"),
    [
        (NAMED, shelf(label="Off"), True, False),
        (NAMED, shelf(label="running"), False, True),
        (NAMED, shelf(label="Saved"), False, False),
        (NAMED, shelf(label=None), False, False),
        (NAMED, {}, False, False),
        (ADDED, shelf(), True, False),
        (ADDED, shelf("another"), True, False),
        (ADDED, shelf("CIFS/HV07", "another"), False, True),
        (ADDED, {}, False, False),
        (SWAPPED, shelf("old", "another"), True, False),
        (SWAPPED, shelf("new", "another"), False, True),
        (SWAPPED, shelf("old", "new"), False, False),
        (SWAPPED, shelf("another"), False, False),
        (FADES, shelf("one", "two"), True, False),
        (FADES, shelf("TWO", "another"), True, False),
        (FADES, shelf("another"), False, True),
        (FADES, {}, False, False),
    ],
)
def test_a_change_finds_what_was_before_it_or_what_it_leaves_or_neither(
    change: Change, facts: dict[str, Fact], before: bool, after: bool
) -> None:
    assert (change.holds_before(facts), change.holds_after(facts)) == (before, after)


def test_members_are_changed_one_by_one_whatever_their_case() -> None:
    assert SWAPPED.predict(["Old", "another"]) == ["another", "new"]
    assert ADDED.predict(["CIFS/HV07"]) == ["CIFS/HV07"]
    assert predict({}, [ADDED]) == {}


SHELVES = st.builds(
    Shelf,
    subject=st.just("HV07"),
    label=st.sampled_from(["Off", "Running", None]),
    books=st.frozensets(st.sampled_from("abcd")),
    free=st.integers(0, 2),
)


@given(SHELVES, SHELVES)
def test_what_changes_one_fact_into_another_does_and_can_be_seen(one: Shelf, two: Shelf) -> None:
    made = changes(one, two)
    assert predict({one.key: one}, made) == {two.key: two}
    assert all(each.holds_before({one.key: one}) and each.holds_after({two.key: two}) for each in made)
    assert {each.field for each in made} == {name for name in Shelf.model_fields if getattr(one, name) != getattr(two, name)}
    assert not any(each.holds_after({one.key: one}) for each in made)


def test_a_fact_does_not_become_another_one() -> None:
    with pytest.raises(ValueError, match="cannot become"):
        changes(Shelf(subject="HV07"), Shelf(subject="HV08"))


@pytest.mark.parametrize(
    ("field", "test", "bound", "facts", "holds"),
    [
        ("label", By.EQUALS, "Off", shelf(label="off"), True),
        ("label", By.EQUALS, "Off", shelf(label="Saved"), False),
        ("label", By.NOT, "Off", shelf(label="OFF"), False),
        ("label", By.NOT, "Off", shelf(label="Saved"), True),
        ("label", By.IN, ["Off", "Saved"], shelf(label="saved"), True),
        ("label", By.IN, ["Off", "Saved"], shelf(label="Running"), False),
        ("books", By.EQUALS, ["a", "b"], shelf("b", "a"), True),
        ("books", By.LACKS, "a", shelf("b"), True),
        ("books", By.LACKS, "a", shelf("A", "b"), False),
        ("free", By.AT_LEAST, 60, shelf(free=60), True),
        ("free", By.AT_LEAST, 60, shelf(free=59), False),
        ("free", By.AT_LEAST, 60, shelf(free=None), False),
        ("free", By.AT_MOST, 60, shelf(free=60), True),
        ("free", By.AT_MOST, 60, shelf(free=61), False),
        ("free", By.AT_MOST, 60, shelf(free=None), False),
        ("label", By.LACKS, "a", shelf(label=None), False),
    ],
)
def test_a_guard_holds_within_its_bound(field: str, test: By, bound: Json, facts: dict[str, Fact], holds: bool) -> None:
    guard = Guard(fact="Shelf:hv07", field=field, test=test, bound=bound, why="so it was said")
    assert guard.holds(facts) is holds
    assert (unmet([guard], facts) is None) is holds
    assert guard.holds({}) is False, "a fact that is not there satisfies nothing"
    words = ", ".join(bound) if isinstance(bound, list) else bound
    assert unmet([guard], {}) == f"Shelf {field} {test.value} {words} does not hold: so it was said"


def test_what_a_guard_sees_is_shown() -> None:
    guard = Guard(fact="Shelf:hv07", field="label", test=By.EQUALS, bound="Off")
    assert guard.seen(shelf(label="Saved")) == "Shelf label: Saved"
    assert guard.seen({}) == "Shelf label: not readable"
    assert unmet([guard], {}) == "Shelf label is Off does not hold"


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ([], "nothing"),
        (None, "nothing"),
        (False, "no"),
        (["VM42", "VM43"], "VM42, VM43"),
        ([{"id": "7d2c", "name": "before update"}], "(id 7d2c, name before update)"),
    ],
)
def test_a_bound_is_told_as_people_write_it(bound: Json, words: str) -> None:
    """It stands in the form on which somebody approves."""
    guard = Guard(fact="Shelf:hv07", field="books", test=By.EQUALS, bound=bound)
    assert guard.text == f"Shelf books is {words}"
