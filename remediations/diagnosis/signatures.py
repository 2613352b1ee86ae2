"""What messages mean, as data: `signatures.yaml` and `codes.yaml`, checked against a schema and made ready for matching.

Both are packaged from `configs/`; a site may give a signatures file of its own, whose entries are added and replace
packaged ones of the same id. A wrong entry raises `SignatureError`, which names the file and the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from remediations.diagnosis.text import Phrase, PhraseIndex
from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

Says: TypeAlias = Cause | Literal[TextVerdict.UNKNOWN, TextVerdict.NOT_A_MIGRATION_FAILURE]

_T = TypeVar("_T", bound=Frozen)

MIGRATION = "migration"
"""The mark of a text that says itself that a migration failed."""
HYPER_V = "hyper_v"
"""The mark of a text that Hyper-V's services wrote."""
OTHER = "other"
"""The mark of a text about another activity: a start, a backup, replication, another program."""
PEER = "peer"
"""The mark of a text about a connection to another host."""
CODE = "code"
"""The mark of a text that has a known code in it."""
MOVING = "moving"
"""The mark of a text that says a machine would not move, but not whose: a migration unless it is about something else."""
WINDOWS = "windows"
"""The mark of a text that something of Windows wrote: its cluster, its remoting, one of its commands."""
OPEN = "open"
"""The mark of a failed migration of which nothing else said a cause: then a thing that it names is better than nothing."""
TROUBLE = "trouble"
"""The mark of a text that says that something went wrong."""
MOVES = "moves"
"""The mark of a text that has a word for moving in it, whatever moves."""
FILES = "files"
"""The mark of a text about moving a machine's files."""
BETWEEN_HOSTS = frozenset({"live", "hosts"})
"""The marks of a text that says that a machine itself was to move."""

_BUILT_IN_MARKS = frozenset({TROUBLE, MOVES, MIGRATION, HYPER_V, OTHER, PEER, CODE, MOVING, WINDOWS, OPEN})
_EVENT_WORDS = ("event", "events", "eventid", "ereignis", "événement", "evento", "イベント", "イベントid", "事件", "事件id")
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times as fast, where it is built in


class _Loader(_Safe):  # type: ignore[misc] # whichever of the two there is
    """Refuses what is written twice; YAML itself would let the last one count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value}: is written twice, keep one", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class SignatureError(ValueError):
    """A signatures or codes file is wrong; says which file and entry, and what would be right."""


class Signature(Frozen):
    """One thing that a message can say. All of what it asks for must hold; within a list, one member is enough."""

    id: str = Field(pattern=r"^[a-z0-9-]{3,60}$")
    source: str = Field(min_length=2, description="Who documents it")
    says: Mapping[Says, float] = Field(default={}, description="Cause or verdict, and how much this says for it, 0 to 1")
    marks: tuple[str, ...] = Field(default=(), description="What this tells of the whole text, for other signatures")
    events: tuple[int, ...] = Field(default=(), description="Event ids, of the logs and providers in `from`")
    origin: tuple[str, ...] = Field(default=(), alias="from", description="Log or provider families, as hyper-v-vmms")
    codes: tuple[int, ...] = ()
    phrases: tuple[str, ...] = Field(
        default=(), description="Words as they stand in the text; … is up to 160 characters, word* is any word that begins so"
    )
    together: tuple[tuple[str, ...], ...] = Field(
        default=(), description="Groups of words of which one sentence must have one each: a thing and what is said of it"
    )
    needs: tuple[str, ...] = Field(default=(), description="Marks that the text must have, all of them")
    given: tuple[str, ...] = Field(default=(), description="Marks of which the text must have at least one")
    unless: tuple[str, ...] = Field(default=(), description="Marks that the text must not have")
    decides: str = Field(default="", description="Which fact tells its causes apart, where the text cannot")

    @model_validator(mode="after")
    def _says_something(self) -> Signature:
        if not self.says and not self.marks:
            raise ValueError("says: give a cause or verdict with its weight, or marks")
        if not (self.events or self.origin or self.codes or self.phrases or self.together):
            raise ValueError("phrases: give phrases, together, codes, events or from, else it would match everything")
        if self.together and (len(self.together) < 2 or not all(self.together)):
            raise ValueError("together: give two groups or more, and words in each of them")
        for key, weight in self.says.items():
            if not 0 < weight <= 1:
                raise ValueError(f"says.{key}: {weight} is no weight, give a number above 0 and at most 1")
        return self


class Code(Frozen):
    """One error code: its name, what it means, and what it points to in a message about a migration."""

    code: int = Field(gt=0, le=0xFFFFFFFF)
    name: str = Field(min_length=1)
    meaning: str = Field(min_length=1)
    source: str = Field(min_length=2)
    causes: Mapping[Cause, float] = {}
    unknown: float = Field(default=0, ge=0, le=1, description="How much it says that the cause is none of the list")
    anywhere: bool = Field(default=False, description="Whether it counts in a text that does not speak of Hyper-V")
    phrases: tuple[str, ...] = Field(default=(), description="Windows' sentence for it, by language")
    decides: str = ""

    @property
    def text(self) -> str:
        """As people write it: `0x8009030E`."""
        return f"0x{self.code:08X}"

    @cached_property
    def evidence(self) -> str:
        """What it says, for people, with its source."""
        return f"{self.text} {self.name}: {self.meaning} ({self.source})"

    @cached_property
    def says(self) -> tuple[tuple[Says, float], ...]:
        """What it says for each cause, and that the cause is none of the list."""
        causes: tuple[tuple[Says, float], ...] = tuple(self.causes.items())
        return (*causes, (TextVerdict.UNKNOWN, self.unknown)) if self.unknown else causes

    @property
    def spellings(self) -> frozenset[str]:
        """Every way it is written in logs, lower case and without punctuation: hexadecimal, short, bare, both decimals."""
        ways: set[str] = set()
        for code in (self.code, *self._other_forms):
            full = f"{code:08x}"
            ways |= {f"0x{full}", f"0x{code:x}", f"ox{full}"}
            if code > 0x7FFFFFFF:
                ways |= {full, str(code), str((1 << 32) - code)}
        return frozenset(ways)

    @property
    def _other_forms(self) -> tuple[int, ...]:
        """A Win32 number's other form: 5035 as `0x000013AB` is 0x800713AB as a result code, and the other way round."""
        if self.win32 is None:
            return ()
        number = int(self.win32)
        return (number if self.code != number else 0x80070000 | number,)

    @property
    def win32(self) -> str | None:
        """The Win32 number it stands for, in decimals; None for any other code and for numbers too small to mean much."""
        number = self.code & 0xFFFF if self.code >> 16 == 0x8007 else self.code if self.code <= 0xFFFF else 0
        return str(number) if number >= 1000 else None


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A signature made ready: what it asks for, as sets."""

    signature: Signature
    phrases: frozenset[int]
    says: tuple[tuple[Says, float], ...]
    events: frozenset[int]
    origin: frozenset[str]
    codes: frozenset[int]
    together: tuple[frozenset[int], ...]
    needs: frozenset[str]
    given: frozenset[str]
    unless: frozenset[str]
    free: bool
    """Whether it asks for no marks."""


class Knowledge:
    """Everything known about messages, ready for matching. Immutable; share one."""

    def __init__(self, signatures: Iterable[Signature], codes: Iterable[Code]) -> None:
        """Compile. Raises `SignatureError` for marks that nothing sets and phrases without words."""
        self.signatures = {each.id: each for each in signatures}
        self.codes = {each.code: each for each in codes}
        listed: dict[str, int] = {}
        phrases: list[Phrase] = []

        def number(text: str, where: str) -> int:
            if text not in listed:
                try:
                    phrases.append(Phrase.of(text))
                except ValueError as wrong:
                    raise SignatureError(f"{where}: {wrong}") from None
                listed[text] = len(phrases) - 1
            return listed[text]

        self.known = tuple(
            Known(
                signature=each,
                phrases=frozenset(number(text, f"signature {each.id}") for text in each.phrases),
                says=tuple(each.says.items()),
                events=frozenset(each.events),
                origin=frozenset(each.origin),
                codes=frozenset(each.codes),
                together=tuple(frozenset(number(text, f"signature {each.id}") for text in group) for group in each.together),
                needs=frozenset(each.needs),
                given=frozenset(each.given),
                unless=frozenset(each.unless),
                free=not (each.needs or each.given or each.unless),
            )
            for each in self.signatures.values()
        )
        self.code_of_phrase: dict[int, list[int]] = {}
        """The codes that a phrase stands for: Windows' sentence for one, or the code as it is written."""
        self.win32_of_phrase: dict[int, tuple[str, int]] = {}
        """Numbers that are a code only after a word for it, and the code."""
        self.code_words = {word: code.code for code in self.codes.values() for word in code.spellings}
        for code in self.codes.values():
            for text in (*code.phrases, *code.spellings):
                self.code_of_phrase.setdefault(number(text, f"code {code.text}"), []).append(code.code)
            if code.win32:
                self.win32_of_phrase[number(code.win32, f"code {code.text}")] = (code.win32, code.code)
        self.code_of_name = {code.name: code.code for code in self.codes.values()}
        self.code_phrases = frozenset(self.code_of_phrase)
        self.win32_phrases = frozenset(self.win32_of_phrase)
        self.event_phrases = frozenset(number(text, "words for event") for text in _EVENT_WORDS)
        self.phrases = tuple(phrases)
        self.begins = tuple(phrase.parts[0].split(maxsplit=1)[0] for phrase in self.phrases)
        self.index = PhraseIndex(phrases)
        self._check_marks()
        self._make_triggers()

    def _check_marks(self) -> None:
        set_by = {mark for each in self.known for mark in each.signature.marks} | _BUILT_IN_MARKS
        for each in self.known:
            for mark in (*each.signature.needs, *each.signature.given, *each.signature.unless):
                if mark not in set_by:
                    known = ", ".join(sorted(set_by))
                    raise SignatureError(
                        f"signature {each.signature.id}: no signature sets the mark {mark!r} (there are: {known})"
                    )

    def _make_triggers(self) -> None:
        """By what each signature is found: its phrases, else words together, else its events, codes, or where it is from.

        `topics` are apart: what words together say of a migration is asked only where nothing more definite was said.
        """
        self.by_phrase: dict[int, list[Known]] = {}
        self.topics: dict[int, list[Known]] = {}
        self.by_event: dict[int, list[Known]] = {}
        self.by_code: dict[int, list[Known]] = {}
        self.by_origin: dict[str, list[Known]] = {}
        for each in self.known:
            if each.phrases:
                for phrase in each.phrases:
                    self.by_phrase.setdefault(phrase, []).append(each)
            elif each.together:
                found_by = self.topics if MIGRATION in each.needs else self.by_phrase
                for phrase in min(each.together, key=self._commonness):
                    found_by.setdefault(phrase, []).append(each)
            elif each.events:
                for event in each.events:
                    self.by_event.setdefault(event, []).append(each)
            elif each.codes:
                for code in each.codes:
                    self.by_code.setdefault(code, []).append(each)
            else:
                for family in each.origin:
                    self.by_origin.setdefault(family, []).append(each)

    def _commonness(self, group: frozenset[int]) -> int:
        """In how many groups of words the members of this one stand: the rarer, the better to find a signature by."""
        return sum(len(group & other) for each in self.known for other in each.together)

    def with_site(self, path: Path) -> Knowledge:
        """This and a site's own signatures; its entries replace those of the same id. Raises `SignatureError`, `OSError`."""
        own = read_signatures(path.read_text(encoding="utf-8"), path.name)
        return Knowledge({**self.signatures, **{each.id: each for each in own}}.values(), self.codes.values())

    @staticmethod
    @cache
    def packaged() -> Knowledge:
        """What this package brings, read once."""
        return Knowledge(
            read_signatures(_packaged("signatures.yaml"), "signatures.yaml"), read_codes(_packaged("codes.yaml"), "codes.yaml")
        )


def read_signatures(text: str, file: str) -> list[Signature]:
    """The signatures of a YAML file's text. Raises `SignatureError` that names file and entry."""
    return [
        _check(Signature, entry, f"{file}: {_which(entry, place)}")
        for place, entry in enumerate(_entries(text, file, "signatures"), 1)
    ]


def read_codes(text: str, file: str) -> list[Code]:
    """The codes of a YAML file's text. Raises `SignatureError` that names file and entry."""
    return [
        _check(Code, entry, f"{file}: {_which(entry, place)}") for place, entry in enumerate(_entries(text, file, "codes"), 1)
    ]


def _packaged(name: str) -> str:
    installed = files("remediations") / "_configs" / name
    source = installed if installed.is_file() else Path(__file__).parents[2] / "configs" / name
    return source.read_text(encoding="utf-8")


def _entries(text: str, file: str, key: str) -> list[Any]:
    try:
        whole = yaml.load(text, Loader=_Loader)  # noqa: S506 - the safe loader, by whichever name
    except yaml.YAMLError as wrong:
        raise SignatureError(f"{file}: is no YAML: {wrong}") from None
    if not isinstance(whole, dict) or set(whole) != {key} or not isinstance(whole[key], list):
        raise SignatureError(f"{file}: must be one list named {key}:")
    entries: list[Any] = whole[key]
    seen: set[Any] = set()
    for place, entry in enumerate(entries, 1):
        name = entry.get("id", entry.get("code")) if isinstance(entry, dict) else None
        if name in seen and name is not None:
            raise SignatureError(f"{file}: {_which(entry, place)} is there twice: give each its own id")
        seen.add(name)
    return entries


def _which(entry: Any, place: int) -> str:
    name = (entry.get("id") or entry.get("name")) if isinstance(entry, dict) else None
    return f"entry {place} ({name})" if name else f"entry {place}"


def _check(kind: type[_T], entry: Any, where: str) -> _T:
    try:
        return kind.model_validate(entry)
    except ValidationError as wrong:
        said = "; ".join(f"{'.'.join(str(part) for part in each['loc']) or 'entry'}: {each['msg']}" for each in wrong.errors())
        raise SignatureError(f"{where}: {said}") from None
