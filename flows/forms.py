"""What Prefect's pages make of a flow's parameters: a form that people fill in with the mouse and without the manual."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import Flow
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from remediations.model.names import ClusterName, HostName, names_in
from remediations.model.site import Site

TITLES = {
    "vm": "VM",
    "what": "What failed",
    "event_id": "Event ID",
    "of": "Which limit",
    "to": "Move it to",
    "peer": "Other host",
    "also": "Other hosts",
    "management": "Restart the management service",
    "way_back": "Both directions",
    "across": "Across clusters",
    "run": "Run to undo",
}
"""Headings of fields whose own names say too little on a page."""

MOST = 20
"""Names that a form lists; a longer list would hide what it asks for."""


def form(flow: Flow[..., Any], site: Site | None = None) -> dict[str, Any]:
    """A flow's parameters as people like to fill them in. The flow's own types still decide.

    What may be left out is an empty field, not a choice between types: `anyOf` of one type and null becomes that type, without
    a default. Left empty, the parameter is not sent; so senders leave out what they do not know instead of sending null. A
    choice is typed: the lists of Prefect 3.8.8's pages close as soon as their field is clicked. With a `site`, fields for
    hosts and clusters say which there are.
    """
    names = {} if site is None else _names_of(site)
    parameters = typing.get_type_hints(flow.fn, include_extras=True)
    models = {hint.__name__: hint for hint in parameters.values() if isinstance(hint, type) and issubclass(hint, BaseModel)}
    schema = parameter_schema(flow).model_dump(exclude_unset=True)
    definitions = schema.pop("definitions", {})
    choices = {f"#/definitions/{name}": each for name, each in definitions.items() if "enum" in each}
    made = _filled_in(schema, parameters, choices, names)
    if definitions:
        hints = {name: typing.get_type_hints(each, include_extras=True) for name, each in models.items()}
        made["definitions"] = {
            name: _filled_in(each, hints.get(name, {}), choices, names) for name, each in definitions.items()
        }
    return made


def _names_of(site: Site) -> dict[Any, Sequence[str]]:
    return {
        HostName: [host.name for host in site.hosts],
        ClusterName: [cluster.name for cluster in site.clusters],
        _NODES: [node for cluster in site.clusters for node in cluster.nodes],
    }


_NODES = "nodes"


def _filled_in(
    schema: Mapping[str, Any], hints: Mapping[str, Any], choices: Mapping[str, Any], names: Mapping[Any, Sequence[str]]
) -> dict[str, Any]:
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {
            name: _described(name, _field(name, field, choices), hints.get(name), names)
            for name, field in made["properties"].items()
        }
    return made


def _field(name: str, field: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    made = {**field, "title": TITLES.get(name, name.replace("_", " ").capitalize())}
    kinds = [each for each in field.get("anyOf", ()) if each.get("type") != "null"]
    plain = [each for each in kinds if "const" not in each]
    if len(plain) == 1 and all(each.get("type") == plain[0].get("type") for each in kinds):
        del made["anyOf"]
        made |= plain[0]
        if made.get("default", ...) is None:
            del made["default"]
    if made.get("$ref") in choices:
        made = {**choices[made.pop("$ref")], **made}
    if "enum" in made:
        listed = [str(each) for each in made.pop("enum")]
        made |= {"type": "string", "pattern": f"^({'|'.join(map(re.escape, listed))})$"}
        made["description"] = f"{_sentence(made)}Type one of: {', '.join(listed)}."
    return made


def _described(name: str, field: dict[str, Any], hint: Any, names: Mapping[Any, Sequence[str]]) -> dict[str, Any]:
    """With the names that the inventory has for it; of a node, those of nodes."""
    for kind, hosts in names.items():
        known = names[_NODES] if kind is HostName and name.startswith("node") else hosts
        if kind is not _NODES and names_in(hint, kind) and known:
            more = f", … ({len(known)} in site.yaml)" if len(known) > MOST else "."
            field["description"] = f"{_sentence(field)}There are {', '.join(known[:MOST])}{more}"
    return field


def _sentence(field: Mapping[str, Any]) -> str:
    """What a field says of itself, ended, for more to follow; nothing if it says nothing."""
    said = str(field.get("description", "")).rstrip(". ")
    return f"{said}. " if said else ""
