"""Each fault of the lab, over the real protocol: its own repair sees it, does what its plan says, and then sees nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import pytest

from remediations.catalogue import CATALOGUE
from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.move_vm import MoveVm
from remediations.catalogue.remediation import Remediation, Repair, Seen
from remediations.catalogue.resume_node import ResumeNode
from remediations.facts.query import Query, Unreadable
from remediations.lab.lab import Lab
from remediations.lab.world.faults import FAULTS
from remediations.lab.world.world import World
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact, Unknown
from remediations.model.incident import Incident, What
from remediations.model.plan import Plan, Step, Verdict, Wait
from remediations.model.reply import Reply
from remediations.model.site import Site
from remediations.remoting import Remoting, RemotingError


class Hands:
    """Reads facts and carries a plan out, as plainly as can be: what the engine does, without its care."""

    def __init__(self, lab: Lab, hosts: Remoting) -> None:
        self.lab, self.hosts, self.site = lab, hosts, lab.site()
        self.evidence = Evidence()

    def inputs(self, remediations: Iterable[Remediation]) -> list[dict[str, Any]]:
        """The inputs of each one's plan."""
        reads = [each.reads(self.site, self.evidence) for each in remediations]
        asked: dict[str, Query[Any]] = {}
        for one in reads:
            for each in one.queries.values():
                asked |= {query.id: query for query in (each.values() if isinstance(each, Mapping) else (each,))}
        answers: dict[str, Future[list[Reply]]] = {
            key: self.hosts.submit(query.host, query.commands, deadline=20) for key, query in asked.items()
        }
        seen = {key: self._parsed(query, answers[key]) for key, query in asked.items()}

        def of(each: Any) -> Any:
            return {host: seen[query.id] for host, query in each.items()} if isinstance(each, Mapping) else seen[each.id]

        return [{**one.given, **{name: of(each) for name, each in one.queries.items()}} for one in reads]

    @staticmethod
    def _parsed(query: Query[Any], answer: Future[list[Reply]]) -> Seen:
        try:
            found: Seen = query.parse(answer.result(timeout=20))
        except (Unreadable, RemotingError) as reason:
            return Unknown(reason=str(reason))
        return found

    def plan(self, remediation: Remediation) -> Plan:
        """The plan on what is so now."""
        return remediation.planned(self.inputs([remediation])[0])

    def facts(self, remediation: Remediation) -> dict[str, Fact]:
        """Every fact that it reads, by key."""
        (inputs,) = self.inputs([remediation])
        every = [each for value in inputs.values() for each in (value.values() if isinstance(value, Mapping) else (value,))]
        return {each.key: each for each in every if isinstance(each, Fact)}

    def until(self, remediation: Remediation, holds: Any) -> None:
        """Read again until it holds; ten seconds at most."""
        end = time.monotonic() + 10
        while not holds(self.facts(remediation)):
            assert time.monotonic() < end, "it did not come true"
            time.sleep(0.05)

    def carry_out(self, remediation: Remediation, plan: Plan) -> None:
        """Every item in order, each step's guards and changes checked."""
        assert plan.appliable, plan.items
        for item in plan.items:
            if isinstance(item, Wait):
                self.until(remediation, lambda facts, item=item: all(each.holds(facts) for each in item.until))
            elif isinstance(item, Step):
                before = self.facts(remediation)
                assert all(each.holds(before) for each in item.guards), item.command.text
                assert all(each.holds_before(before) for each in item.changes), item.command.text
                reply = self.hosts.change(
                    item.host,
                    item.command,
                    deadline=item.deadline,
                    command_id=uuid4(),
                    before_send=lambda: None,
                    carries=item.carries,
                )
                assert reply.ok, reply.errors
                self.until(remediation, lambda facts, item=item: all(each.holds_after(facts) for each in item.changes))


@pytest.fixture
def hands() -> Iterator[Hands]:
    with Lab() as lab, Remoting(lab.site(), lambda ref: ref.file.read_text().strip() if ref.file else "") as hosts:
        yield Hands(lab, hosts)


def candidates(site: Site, incident: Incident) -> list[Repair]:
    """Every repair that could explain an incident."""
    kinds = [each for each in CATALOGUE.values() if issubclass(each, Repair)]
    return [each for kind in kinds for each in kind.for_incident(incident, site)]


def incident_of(cause: str) -> Incident:
    """The incident that a fault leads to."""
    fault = FAULTS[cause]
    if not fault.vm:
        return Incident(what=What.DRAIN, source=fault.source)
    return Incident(vm=fault.vm, source=fault.source, destination=fault.destination)


@pytest.mark.parametrize("way", [("HV01", "HV02", "VM42"), ("HV03", "HV04", "VM51")])
def test_where_nothing_is_broken_every_repair_says_so(hands: Hands, way: tuple[str, str, str]) -> None:
    source, destination, vm = way
    asked = candidates(hands.site, Incident(vm=vm, source=source, destination=destination))
    plans = [request.planned(inputs) for request, inputs in zip(asked, hands.inputs(asked), strict=True)]
    assert {plan.title: plan.verdict for plan in plans} == {plan.title: Verdict.ABSENT for plan in plans}


@pytest.mark.parametrize(
    "request_",
    [
        MoveVm(vm="VM42", to="HV02", source="HV01"),
        MoveVm(vm="VM42", to="any", source="HV01"),
        DrainNode(node="HV01"),
    ],
    ids=lambda each: each.summary,
)
def test_an_operation_does_what_was_asked_for(hands: Hands, request_: Remediation) -> None:
    hands.carry_out(request_, hands.plan(request_))
    assert hands.plan(request_).verdict is Verdict.ABSENT


def test_a_drained_node_comes_back_by_the_undo_that_its_plan_showed(hands: Hands) -> None:
    drain, resume = DrainNode(node="HV01"), ResumeNode(node="HV01")
    plan = hands.plan(drain)
    hands.carry_out(drain, plan)
    suspended = plan.steps[-1]
    assert suspended.undo is not None
    hands.hosts.change(suspended.host, suspended.undo, deadline=20, command_id=uuid4(), before_send=lambda: None)
    assert hands.plan(resume).verdict is Verdict.ABSENT
    assert hands.plan(drain).verdict is Verdict.PRESENT


def test_a_restricted_endpoint_answers_the_same(hands: Hands) -> None:
    request = [each for cause in FAULTS for each in candidates(hands.site, incident_of(cause))]
    told = [each.planned(inputs).items for each, inputs in zip(request, hands.inputs(request), strict=True)]
    restricted = Lab(hands.lab.world, configuration="Remediation")
    with restricted, Remoting(restricted.site(), lambda ref: ref.file.read_text().strip() if ref.file else "") as hosts:
        there = Hands(restricted, hosts).inputs(request)
    assert [each.planned(inputs).items for each, inputs in zip(request, there, strict=True)] == told


def test_a_host_without_the_module_blocks_what_needs_it_and_nothing_else() -> None:
    world = World.contoso(module=None)
    with Lab(world) as lab, Remoting(lab.site(), lambda ref: ref.file.read_text().strip() if ref.file else "") as hosts:
        hands = Hands(lab, hosts)
        lab.inject("migration_limit_reached")
        asked = candidates(hands.site, incident_of("migration_limit_reached"))
        plans = [request.planned(inputs) for request, inputs in zip(asked, hands.inputs(asked), strict=True)]
    blocked = {plan.remediation for plan in plans if plan.blocks}
    assert blocked == {"set-migration-limits", "purge-kerberos-tickets", "merge-checkpoints", "explain-patch-level"}
    for block in (block for plan in plans for block in plan.blocks):
        assert "Install.ps1" in block.why, block.why
