"""Pages as one file each: no network, no script of others. What comes from outside is escaped by the template's own rules."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

_MISLEADING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_LOADER = PackageLoader("remediations.engine", "pages")


def render(page: str, **values: Any) -> str:
    """The page `pages/<page>.html`, with its style, its script if it has one, and a policy that lets nothing else run."""
    made: str = _template(f"{page}.html").render(**_inline(page), **values)
    return made


@cache
def _template(name: str) -> Template:
    return Environment(
        loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=plain
    ).get_template(name)


@cache
def _inline(page: str) -> dict[str, Any]:
    """`style`, `script` and what lets a browser run these and no others (`style_hash`, `script_hash`)."""
    there = _LOADER.list_templates()
    found: dict[str, Any] = {}
    for name, ending in (("style", "css"), ("script", "js")):
        if f"{page}.{ending}" in there:
            text, _, _ = _LOADER.get_source(Environment(autoescape=True), f"{page}.{ending}")
            hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            found |= {name: Markup(text), f"{name}_hash": Markup(f"sha256-{hashed}")}  # noqa: S704 - files of ours
    return found


def plain(value: Any) -> Any:
    """Text without what would make it read otherwise than it is: control characters, marks that turn its direction."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _MISLEADING.sub("\N{REPLACEMENT CHARACTER}", value)
    return value
