"""What every remediation is: a pure function from facts to a plan."""

from __future__ import annotations

import inspect
import typing
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from remediations.facts.query import Query
from remediations.facts.vm import Machine
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.incident import Incident
from remediations.model.names import ClusterName, HostName, names_in, same_host
from remediations.model.plan import Blocked, Item, Obstacle, Plan, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

Seen = Fact | Unknown | NotApplicable
"""What a query yields."""


class Reads:
    """The named inputs of a `plan()`: queries to be sent, and values that are known without asking (`given`).

    A mapping of queries is the same question put to several hosts, by host name. Where `plan` declares a mapping, it gets
    what each yielded, unknown ones among them; where it declares a fact, one answer is enough and it gets that (`anywhere`).
    """

    def __init__(self, given: Mapping[str, Any] | None = None, /, **queries: Query[Any] | Mapping[str, Query[Any]]) -> None:
        self.given = MappingProxyType(dict(given or {}))
        self.queries = MappingProxyType(queries)


def unread(what: str, seen: Seen) -> Blocked:
    """The block for a fact that a plan cannot do without, in the words of whoever could not read it."""
    reason = seen.reason if isinstance(seen, (Unknown, NotApplicable)) else f"{type(seen).__name__} came instead"
    return Blocked(obstacle=Obstacle.UNKNOWN, why=f"{what} could not be read: {reason}")


def anywhere(found: Mapping[str, Seen]) -> Seen:
    """The one fact among what several hosts answered; a host that is down does not matter if another one knows.

    One that is complete comes before one of which its host could read only a part. Without any: Unknown if one of them could
    not be asked, else `NotApplicable`. Different subjects make it Unknown too: two virtual machines of one name must not be
    taken for each other. So does one that two hosts have: a registration that was left behind, or a move that is under way.
    """
    facts = [seen for seen in found.values() if isinstance(seen, Fact)]
    if len(facts) > 1 and facts[0].alone:
        hosts = " and ".join(host for host, seen in found.items() if isinstance(seen, Fact))
        if len({fact.key for fact in facts}) == 1:
            return Unknown(reason=f"{hosts} both have it, by the same id: find out which of them is right (Get-VM on each)")
    if len({fact.key for fact in facts}) > 1:
        told = "; ".join(f"{host} shows {seen.subject}" for host, seen in found.items() if isinstance(seen, Fact))
        return Unknown(reason=f"the hosts disagree: {told}")
    if facts:
        return next((fact for fact in facts if fact.complete), facts[0])
    for kind in (Unknown, NotApplicable):
        reasons = dict.fromkeys(seen.reason for seen in found.values() if isinstance(seen, kind))
        if reasons:
            return kind(reason="; ".join(reasons))
    return NotApplicable(reason="no host was asked")


def at_home(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, with what is told of a virtual machine by the host that has it, and by no other.

    What Hyper-V Replica keeps elsewhere, and a registration that was left behind, show the same id with other settings.
    """
    told = (each for value in inputs.values() if isinstance(value, Mapping) for each in value.items())
    # By who told it: of a plan that is looked ahead at, the machine itself may say that it will be elsewhere.
    homes = {asked: seen.subject.casefold() for asked, seen in told if isinstance(seen, Machine)}
    if len(homes) != 1:
        return dict(inputs)
    ((home, its),) = homes.items()
    return {name: _at_home(value, home, its) if isinstance(value, Mapping) else value for name, value in inputs.items()}


def _at_home(found: Mapping[str, Any], home: str, its: str) -> Mapping[str, Any]:
    mine = any(isinstance(seen, Fact) and seen.subject.casefold() == its for seen in found.values())
    return {home: found[home]} if mine and home in found else found


class Remediation(BaseModel):
    """A request (the fields, as a typed form) and what is to be done for it (`plan`).

    `plan` is called with everything that `reads` named, by keyword. An input annotated with `Unknown` or `NotApplicable` is
    handed over as such; for any other, an unknown fact blocks the whole plan and one that does not exist here satisfies it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[Literal["repair", "operation"]]
    tier: ClassVar[Tier]
    reversal: ClassVar[Reversal]
    needs_vm_off: ClassVar[bool] = False
    least_server: ClassVar[int] = 2016
    """First Windows Server release it is for."""
    sends: ClassVar[frozenset[str]] = frozenset()
    """Every command that does more than read and that it may plan: a step's, what that carries, its undo, a bracket's close."""

    plan: ClassVar[Callable[..., Iterator[Item]]]
    """Items for this request on these facts: `def plan(self, *, account: ComputerAccount, …) -> Iterator[Item]`. Pure."""

    @abstractmethod
    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """What `plan` needs. Raises `LookupError` if the site does not know a name of the request."""

    def spelled(self, site: Site) -> Self:
        """The same request with the inventory's spelling of its hosts and cluster: two spellings are no two plans.

        A name that the inventory does not have stays. Raises `ValidationError` where two names that must differ are one.
        """
        found: dict[str, Any] = {}
        for name, hint in _fields(type(self)).items():
            value = getattr(self, name)
            if names_in(hint, HostName):
                known = tuple(host.name if (host := site.find(each)) else each for each in _names(value))
                found[name] = known if isinstance(value, tuple) else known[0] if known else value
            elif names_in(hint, ClusterName) and value is not None:
                found[name] = next((each.name for each in site.clusters if same_host(each.name, value)), value)
        return type(self).model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **found})

    def moves(self, inputs: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
        """The cluster node that carrying this out empties, and the names of the roles that leave it; none unless it says so."""
        del inputs
        return "", frozenset()

    def planned(self, inputs: Mapping[str, Any]) -> Plan:
        """The plan on `inputs`: facts by the names that `reads` gave them, and what `reads` gave outright.

        Raises `ValueError` if it would send a command that it does not declare (`sends`): that is a defect of its own.
        """
        plan = self._plan(self.risk(inputs), self.items(inputs))
        undeclared = {each.name for step in plan.steps for each in step.commands} - self.sends
        if undeclared:
            raise ValueError(f"{self.id} would send {', '.join(sorted(undeclared))}, which its `sends` does not declare")
        return plan

    def blind(self, why: str) -> Plan:
        """The plan where what it stands on cannot even be asked for."""
        return self._plan(self.tier, [Blocked(obstacle=Obstacle.UNKNOWN, why=why)])

    def _plan(self, tier: Tier, items: Iterable[Item]) -> Plan:
        return Plan(
            remediation=self.id,
            request=self.model_dump(mode="json"),
            title=self.summary,
            tier=tier,
            reversal=self.reversal,
            proof=self.proof if isinstance(self, Repair) else None,
            items=tuple(items),
        )

    def risk(self, inputs: Mapping[str, Any]) -> Tier:
        """The tier of this request; the class's, unless a request reaches further than others of its kind."""
        return self.tier

    @classmethod
    def takes_any(cls, name: str) -> bool:
        """Whether `plan` is content with one answer where an input's question is put to several hosts."""
        return typing.get_origin(_inputs(cls)[name]) is not Mapping

    @property
    def summary(self) -> str:
        """One line for people: the title and what it is aimed at."""
        aims = [str(value) for value in self.model_dump().values() if value not in (None, "", False, ())]
        return f"{self.title}: {', '.join(aims)}" if aims else self.title

    def items(self, inputs: Mapping[str, Any]) -> Iterator[Item]:
        """The items of the plan on `inputs`, for whoever wants no more of it."""
        missing: list[Item] = []
        wanted: dict[str, Any] = {}
        own = at_home(inputs)
        for name, hint in _inputs(type(self)).items():
            value = wanted[name] = _resolve(hint, (inputs if typing.get_origin(hint) is Mapping else own)[name])
            if isinstance(value, (Unknown, NotApplicable)) and not _takes(hint, type(value)):
                label = name.replace("_", " ")
                missing.append(unread(label, value) if isinstance(value, Unknown) else self._absent(label, value))
        if missing:
            yield from missing
        else:
            yield from self.plan(**wanted)

    def _absent(self, label: str, seen: NotApplicable) -> Item:
        """What it means that a thing which `plan` needs does not exist here."""
        return Satisfied(why=f"{label} does not apply: {seen.reason}")


class Repair(Remediation):
    """Belongs to causes; what it wants follows from facts and the site's expectations. Takes part in diagnosis."""

    kind: ClassVar[Literal["repair", "operation"]] = "repair"
    causes: ClassVar[tuple[Cause, ...]]
    proof: ClassVar[Proof]

    @classmethod
    @abstractmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The requests that could explain this incident: one for each host, pair or virtual machine on its path."""


class Operation(Remediation):
    """Does what its request asks for. Proves nothing and is never planned unasked.

    What does not exist cannot be as it was asked for: an operation on it is blocked, where a repair has nothing to mend.
    """

    kind: ClassVar[Literal["repair", "operation"]] = "operation"

    def _absent(self, label: str, seen: NotApplicable) -> Item:
        return Blocked(obstacle=Obstacle.PRECONDITION, why=f"there is no such {label}: {seen.reason}")


@cache
def _inputs(remediation: type[Remediation]) -> Mapping[str, Any]:
    """The inputs that a remediation's `plan` declares, with their types."""
    hints = typing.get_type_hints(remediation.plan)
    return {name: hints.get(name) for name in inspect.signature(remediation.plan).parameters if name != "self"}


@cache
def _fields(remediation: type[Remediation]) -> Mapping[str, Any]:
    """A request's fields, with all that their annotations say."""
    hints = typing.get_type_hints(remediation, include_extras=True)
    return {name: hints[name] for name in remediation.model_fields}


def _names(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _resolve(hint: Any, value: Any) -> Any:
    several = isinstance(value, Mapping) and bool(value) and all(isinstance(each, Seen) for each in value.values())
    return anywhere(value) if several and typing.get_origin(hint) is not Mapping else value


def _takes(hint: Any, kind: type) -> bool:
    return hint is kind or kind in typing.get_args(hint)
