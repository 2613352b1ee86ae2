"""Facts: what was read from a host, a virtual machine, a cluster or the directory, and what a change does to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import Field

from remediations.model.base import Frozen, Json


class Fact(Frozen):
    """A small typed record of what was read. `subject` says of what: a host, a virtual machine's id, a directory GUID."""

    volatile: ClassVar[frozenset[str]] = frozenset()
    """Fields that change by themselves (measurements): never part of a change, only of guards."""

    alone: ClassVar[bool] = False
    """Whether only one host can have what it is of: where several show it, nobody knows which of them is meant."""

    subject: str = Field(description="What this fact is about, by its stable identity")

    @property
    def key(self) -> str:
        """Names this fact in plans and journals: its class and its subject, without case."""
        return f"{type(self).__name__}:{self.subject.casefold()}"

    @property
    def complete(self) -> bool:
        """Whether everything in it could be read; where several hosts tell the same, one that is complete counts first."""
        return True

    def apply(self, change: Change) -> Self:
        """This fact as it will be once `change` is made. Raises `KeyError` for a field it does not have."""
        value = self.to_json()
        value[change.field] = change.predict(value[change.field])
        return type(self).model_validate(value)


class Unknown(Frozen):
    """A fact that could not be read, and why. Blocks the remediations that need it."""

    reason: str


class NotApplicable(Frozen):
    """A fact that does not exist here, and why: no cluster, a property newer than this Windows Server."""

    reason: str


class Change(Frozen):
    """What one step does to one field of one fact; journals and drift checks compare it with what is read again.

    A set of values is changed member by member: `before` holds the members that go, `after` those that come, and others
    may come and go meanwhile without being drift. Where those that go are `fading`, they may also go by themselves, as tickets
    do that run out: while one of them is there, there is still something to do, and which they are is no part of an approval.
    """

    fact: str
    field: str
    members: bool = False
    fading: bool = False
    before: Json = None
    after: Json = None

    def holds_before(self, facts: Mapping[str, Fact]) -> bool:
        """Whether the field is still as it was seen when the plan was made."""
        return self._holds(facts, gone=self.after, there=self.before)

    def holds_after(self, facts: Mapping[str, Fact]) -> bool:
        """Whether the field is as the step leaves it."""
        return self._holds(facts, gone=self.before, there=self.after)

    def predict(self, value: Json) -> Json:
        """The field's JSON value after the change, from its value before."""
        if not self.members:
            return self.after
        gone = [_fold(each) for each in self.before]
        return [each for each in value if _fold(each) not in gone] + [
            each for each in self.after if _fold(each) not in [_fold(old) for old in value]
        ]

    def _holds(self, facts: Mapping[str, Fact], *, gone: Json, there: Json) -> bool:
        fact = facts.get(self.fact)
        if fact is None:
            return False
        value = fact.to_json()[self.field]
        if not self.members:
            return bool(_fold(value) == _fold(there))
        present = [_fold(each) for each in value]
        if self.fading and there:
            return any(_fold(each) in present for each in there)
        return all(_fold(each) in present for each in there) and not any(_fold(each) in present for each in gone)


def changes(before: Fact, after: Fact) -> tuple[Change, ...]:
    """What makes `after` of `before`, field by field. Both are the same fact; raises `ValueError` if they are not."""
    if before.key != after.key:
        raise ValueError(f"{before.key} cannot become {after.key}: a step changes a fact, it does not replace it")
    old, new = before.to_json(), after.to_json()
    found = []
    for field in old:
        if old[field] == new[field]:
            continue
        if isinstance(getattr(before, field), frozenset):
            goes = sorted((each for each in old[field] if each not in new[field]), key=str)
            comes = sorted((each for each in new[field] if each not in old[field]), key=str)
            found.append(Change(fact=before.key, field=field, members=True, before=goes, after=comes))
        else:
            found.append(Change(fact=before.key, field=field, before=old[field], after=new[field]))
    return tuple(found)


def predict(facts: Mapping[str, Fact], made: Iterable[Change]) -> dict[str, Fact]:
    """The facts as they will be after `made`, in order; changes of facts that were not read are left out."""
    after = dict(facts)
    for change in made:
        if change.fact in after:
            after[change.fact] = after[change.fact].apply(change)
    return after


class Test(StrEnum):
    """How a guard compares."""

    EQUALS = "is"
    NOT = "is not"
    AT_LEAST = "at least"
    AT_MOST = "at most"
    IN = "one of"
    LACKS = "without"


class Guard(Frozen):
    """A volatile condition with a bound, tested right before its step, or waited for."""

    fact: str
    field: str
    test: Test
    bound: Json
    why: str = ""

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether the condition is true of `facts`; a fact that is not there never satisfies it."""
        fact = facts.get(self.fact)
        if fact is None:
            return False
        value, bound = _fold(fact.to_json()[self.field]), _fold(self.bound)
        match self.test:
            case Test.EQUALS:
                return bool(value == bound)
            case Test.NOT:
                return bool(value != bound)
            case Test.AT_LEAST:
                return value is not None and bool(value >= bound)
            case Test.AT_MOST:
                return value is not None and bool(value <= bound)
            case Test.IN:
                return value in bound
            case Test.LACKS:
                return value is not None and bound not in value

    def seen(self, facts: Mapping[str, Fact]) -> str:
        """What the field shows now, for people, as `Node drain: InProgress`."""
        fact = facts.get(self.fact)
        shown = "not readable" if fact is None else in_words(fact.to_json()[self.field])
        return f"{self.fact.partition(':')[0]} {self.field.replace('_', ' ')}: {shown}"

    @property
    def text(self) -> str:
        """The condition for people, as `Vm state is Off`."""
        return f"{self.fact.partition(':')[0]} {self.field.replace('_', ' ')} {self.test.value} {in_words(self.bound)}"


def unmet(guards: Iterable[Guard], facts: Mapping[str, Fact]) -> str | None:
    """Which of these conditions is not true of `facts`, in words; None if all are."""
    failing = next((each for each in guards if not each.holds(facts)), None)
    if failing is None:
        return None
    return f"{failing.text} does not hold{f': {failing.why}' if failing.why else ''}"


def guard(fact: Fact, field: str, test: Test, bound: Any, why: str = "") -> Guard:
    """A guard on a fact that was read. Raises `KeyError` for a field that the fact does not have."""
    fact.to_json()[field]
    return Guard(fact=fact.key, field=field, test=test, bound=bound, why=why)


def in_words(value: Json) -> str:
    """A value as people write it; of a record its fields: (server krbtgt/CONTOSO.COM, start 2026-03-01T10:00:00Z)."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return f"({', '.join(f'{name} {in_words(each)}' for name, each in value.items())})"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_words, value)) or "nothing"
    return "nothing" if value is None or value == "" else str(value)


def _fold(value: Json) -> Json:
    """Windows compares names without case, so do we."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return [_fold(each) for each in value]
    if isinstance(value, dict):
        return {key: _fold(each) for key, each in value.items()}
    return value
