"""A site to plan for, and cases as files: facts in, items and verdict out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Reads, Remediation, Seen
from remediations.facts.module import Module, shipped
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence, Hypothesis, Sighting
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.incident import Incident
from remediations.model.maintenance import Maintenance
from remediations.model.plan import Plan
from remediations.model.site import Site

HERE = Path(__file__).parent
SEEN = "2026-03-02T10:00:00Z"


def site(
    expect: Mapping[str, Any] | None = None,
    second_hop: tuple[str, ...] = (),
    controllers: int = 2,
    http: tuple[str, ...] = (),
) -> Site:
    """Two clusters' worth of hosts: CLUSTER1 of HV01, HV02, HV03; HV11 and HV12 standalone; controllers DC1 and DC2."""
    wanted = expect or {}

    def host(name: str) -> dict[str, Any]:
        end = {"address": name.lower(), "username": "svc", "password": {"env": "P"}}
        hop = {"second_hop": "gmsa"} if name in second_hop else {}
        hop |= {"transport": "http"} if name in http else {}
        return {"name": name, "endpoint": end | hop, "expect": wanted.get(name, {})}

    return Site.model_validate(
        {
            "domain": "contoso.com",
            "hosts": [host(name) for name in ("HV01", "HV02", "HV03", "HV11", "HV12")],
            "clusters": [{"name": "CLUSTER1", "nodes": ["HV01", "HV02", "HV03"], "expect": wanted.get("CLUSTER1", {})}],
            "controllers": [host(f"DC{number + 1}") for number in range(controllers)],
        }
    )


def every_fact(kind: type[Fact] = Fact) -> dict[str, type[Fact]]:
    """Every class of facts by its name."""
    found: dict[str, type[Fact]] = {}
    for each in kind.__subclasses__():
        found |= {each.__name__: each} | every_fact(each)
    return found


def _seen(given: Any, host: str) -> Seen:
    if given == "module":
        return Module(subject=host, version=shipped().version, hash=shipped().hash, expected=shipped())
    ((kind, value),) = given.items()
    if kind == "unknown":
        return Unknown(reason=value)
    if kind == "not applicable":
        return NotApplicable(reason=value)
    fields = {"expected": shipped(), **value} if kind == "Module" else value
    return every_fact()[kind].model_validate(fields)


def _evidence(given: Mapping[str, Any]) -> Evidence:
    return Evidence(
        incident=Incident.model_validate(given["incident"]) if "incident" in given else None,
        hypotheses=tuple(Hypothesis(cause=Cause(each), score=0.9, evidence=("event",)) for each in given.get("points to", ())),
        sightings=tuple(
            Sighting(cause=Cause(cause), subject="CLUSTER1", first_seen=SEEN, times=times)
            for cause, times in given.get("seen", {}).items()
        ),
    )


@dataclass(frozen=True)
class Case:
    """One file: a request on some facts, and the plan that is to come of it."""

    path: Path
    about: str
    request: Remediation
    reads: Reads
    inputs: Mapping[str, Any]
    verdict: str
    items: list[dict[str, Any]]

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read a case; every fact that `reads` asks for has to be in it, by the name and hosts that it is asked by."""
        told = json.loads(path.read_text("utf-8"))
        place = site(
            told.get("expect"), tuple(told.get("second hop", ())), told.get("controllers", 2), tuple(told.get("http", ()))
        ).held_to(Maintenance.model_validate(told.get("maintenance", {})))
        request = CATALOGUE[path.parent.name].model_validate(told["request"])
        reads = request.reads(place, _evidence(told.get("evidence", {})))
        inputs = dict(reads.given)
        for name, query in reads.queries.items():
            facts = told["facts"][name]
            if isinstance(query, Mapping):
                # An answer that is told once is what every host says.
                each = {host: facts.get(host, facts) if isinstance(facts, dict) else facts for host in query}
                inputs[name] = {host: _seen(answer, host) for host, answer in each.items()}
            else:
                inputs[name] = _seen(facts, query.host)
        unused = set(told["facts"]) - set(reads.queries)
        assert not unused, f"{path.name} tells facts that are not asked for: {', '.join(unused)}"
        return cls(path, told["about"], request, reads, inputs, told["verdict"], told["items"])

    @property
    def plan(self) -> Plan:
        """The plan on the case's facts."""
        return self.request.planned(self.inputs)


def cases() -> list[Case]:
    """Every case file."""
    return [Case.load(path) for path in sorted(HERE.glob("*/*.json"))]
