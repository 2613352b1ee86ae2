"""What Prefect's pages are given of our flows: each field says what it is, and none needs a list that no mouse can open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prefect import Flow

from flows.deployments import ALL
from flows.forms import form
from remediations.settings import load_site, packaged

FLOWS = [pytest.param(flow, id=flow.name) for flow in ALL]
SITE = load_site(packaged("site.yaml"))


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of the form and of what is in it."""
    for part in (schema, *schema.get("definitions", {}).values()):
        yield from part.get("properties", {}).items()


@pytest.mark.parametrize("flow", FLOWS)
def test_every_field_says_what_it_is_and_can_be_filled_in_with_the_mouse(flow: Flow[..., Any]) -> None:
    for name, field in fields(form(flow, SITE)):
        assert field["title"][0].isupper(), name
        assert "_" not in field["title"], name
        assert field.get("description"), name
        assert not {"enum", "anyOf", "allOf", "oneOf"} & set(field), name
        if "default" in field and "pattern" in field:
            assert re.fullmatch(field["pattern"], field["default"])


def test_a_choice_is_typed_and_a_wrong_word_is_refused_by_the_form() -> None:
    (drain,) = (flow for flow in ALL if flow.name == "drain-node")
    failback = dict(fields(form(drain)))["failback"]
    assert failback["type"] == "string"
    assert failback["pattern"] == "^(NoFailback|Immediate|Policy)$"
    assert failback["default"] == "NoFailback"
    assert failback["description"].endswith("Type one of: NoFailback, Immediate, Policy.")
    (main,) = (flow for flow in ALL if flow.name == "remediate-migration")
    what = dict(fields(form(main)))["what"]
    assert (what["pattern"], what["default"]) == ("^(migration|drain)$", "migration")
    assert "$ref" not in what


def test_a_field_for_hosts_or_clusters_names_those_of_the_inventory() -> None:
    told = {flow.name: dict(fields(form(flow, SITE))) for flow in ALL}
    hosts = f"There are {', '.join(host.name for host in SITE.hosts)}."
    for flow, name in (("register-spns", "host"), ("remediate-migration", "source"), ("move-vm", "to")):
        assert told[flow][name]["description"].endswith(hosts), flow
    for flow, name in (("drain-node", "node"), ("rolling-maintenance", "nodes")):
        assert told[flow][name]["description"].endswith("There are HV01, HV02."), flow
    assert told["readiness"]["hosts"]["description"].endswith(hosts)
    assert told["readiness"]["clusters"]["description"].endswith("There are CLUSTER1.")
    assert "There are" not in told["remediate-migration"]["vm"]["description"]
