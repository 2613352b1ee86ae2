"""A YAML file as values that know their place. Mistakes are collected, not raised, so that all of them can be told.

The values are YAML 1.2's: only true and false are booleans, `no` and `22:00` are text. An entry that is written twice, an
anchor or a tag of its own making is a mistake here: each hides a value from the person who reads the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from remediations.model.base import Json
from remediations.settings.problem import Problem


@dataclass(frozen=True)
class Entry:
    """A value of the file. `at` is where it stands; for a value of a mapping, where its key stands."""

    where: str
    line: int
    column: int
    value: Json | Mapping[str, Entry] | Sequence[Entry] = field(repr=False)  # may be a secret written where none belongs

    @property
    def plain(self) -> Json:
        """The value as plain JSON."""
        if isinstance(self.value, Mapping):
            return {key: entry.plain for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [entry.plain for entry in self.value]
        return self.value

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Entry, ...]:
        """The items of a list; none for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    def child(self, key: str | int) -> Entry | None:
        """The entry under a key, or the item at a position."""
        if isinstance(key, int):
            return self.items[key] if key < len(self.items) else None
        return self.entries.get(key)

    def nearest(self, path: Sequence[str | int]) -> tuple[Entry, Sequence[str | int]]:
        """The deepest entry that exists on `path`, and what of the path is left."""
        here = self
        for depth, key in enumerate(path):
            below = here.child(key)
            if below is None:
                return here, path[depth:]
            here = below
        return here, ()

    def put(self, key: str, value: Json | Entry) -> Entry:
        """This mapping with one entry more or other; a plain value stands where the mapping stands."""
        entry = value if isinstance(value, Entry) else replace(self, where=join(self.where, key), value=value)
        return replace(self, value={**self.entries, key: entry})

    def problem(self, file: str, wrong: str, right: str, *, below: str = "") -> Problem:
        """A mistake at this place, or at an entry below it that is missing."""
        where = join(self.where, below) if below else self.where
        return Problem(file=file, line=self.line, column=self.column, where=where, wrong=wrong, right=right)


def join(where: str, key: str | int) -> str:
    """A path with one more part: `hosts[2]`, `hosts[2].name`."""
    if isinstance(key, int):
        return f"{where}[{key}]"
    return f"{where}.{key}" if where else key


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with YAML 1.2's core values."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own attribute)


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^[-+]?\d+$", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def read(path: Path) -> tuple[Entry | None, list[Problem]]:
    """The file's top mapping and the mistakes of its form; no mapping if it cannot be read at all."""
    file = str(path)
    whole = Entry(where="", line=1, column=1, value={})
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        right = "write the file, or name its directory with --config DIR or REMEDIATE_CONFIG"
        return None, [Problem(file=file, line=0, column=0, where="", wrong=error.strerror or str(error), right=right)]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return None, [
            Problem(file=file, line=line, column=0, where="", wrong="this is not UTF-8", right="save the file as UTF-8")
        ]
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        wrong, right = "a character here is not allowed in YAML", "take it out, or write it as an escape in double quotes"
        return None, [Problem(file=file, line=line, column=0, where="", wrong=wrong, right=right)]
    try:
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        return None, [_syntax(file, error)]
    except RecursionError:
        return None, [whole.problem(file, "the entries are nested too deep to be read", "start from the packaged example")]
    finally:
        loader.dispose()
    if node is None:
        return None, [whole.problem(file, "the file is empty", "start from the packaged example")]
    builder = _Builder(file)
    top = builder.build(node, "", node.start_mark)
    if not isinstance(top.value, Mapping):
        return None, [top.problem(file, "the file holds no mapping", "write entries as `key: value`, one a line")]
    return top, builder.problems


def _syntax(file: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or "this is not YAML"
    cure = next(
        (cure for start, cure in _CURES.items() if said.startswith(start)), "look at indentation, quotes and colons here"
    )
    wrong = re.sub(r"'(?!\\)[^']{2,}'", "…", said)  # what it quotes may be a secret that was written in clear
    return Problem(
        file=file,
        line=mark.line + 1 if mark else 1,
        column=mark.column + 1 if mark else 1,
        where="",
        wrong=f"this cannot be read as YAML: {wrong}",
        right=cure,
    )


_CURES = {
    "mapping values are not allowed here": "put a value that holds a colon in quotes, or mend the indentation",
    "found character '\\t' that cannot start any token": "indent with spaces, not with tabs",
    "found undefined alias": "put a value that starts with * in quotes",
    "but found another document": "keep one document in the file: take out the line ---",
    "found unexpected end of stream": "close the quote that is open here",
}


_KNOWN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "map", "seq"))


class _Builder:
    """Makes entries of YAML nodes and notes what is wrong with their form."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, where: str, mark: yaml.Mark) -> Entry:
        here = Entry(where=where, line=mark.line + 1, column=mark.column + 1, value=None)
        if id(node) in self._seen:
            self._note(here, "this is an alias of another entry", "write the value here again, or under defaults:")
            return here
        self._seen.add(id(node))
        if node.tag not in _KNOWN:
            self._note(
                here, "a word that starts with ! is read as a tag", "put the value in quotes, or write it without the tag"
            )
        if isinstance(node, yaml.MappingNode):
            return replace(here, value=self._mapping(node, where))
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.build(each, join(where, index), each.start_mark) for index, each in enumerate(node.value))
            return replace(here, value=items)
        return replace(here, value=self._scalar(node, here))

    def _mapping(self, node: yaml.MappingNode, where: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                here = Entry(where=where, line=key_node.start_mark.line + 1, column=key_node.start_mark.column + 1, value=None)
                self._note(here, "a list or mapping is used as a key", "write a name before the colon")
                continue
            key = str(key_node.value)
            entry = self.build(value_node, join(where, key), key_node.start_mark)
            if key in found:
                self._note(entry, f"this is written twice, first in line {found[key].line}", "keep one of the two")
            else:
                found[key] = entry
        return found

    def _scalar(self, node: yaml.Node, here: Entry) -> Json:
        kind = str(node.tag).rpartition(":")[2]
        text = str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.casefold() == "true"
        try:
            return int(text) if kind == "int" else float(text) if kind == "float" else text
        except ValueError:
            self._note(here, "this is no number that can be used", "write a plain decimal number")
            return None

    def _note(self, here: Entry, wrong: str, right: str) -> None:
        self.problems.append(here.problem(self.file, wrong, right))
