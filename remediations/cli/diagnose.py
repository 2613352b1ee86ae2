"""`remediate diagnose`: what an event, an error or a pasted message says of its cause. Asks no host and changes nothing."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, groupby
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from pydantic_core import from_json, to_json
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from remediations.cli.console import out, print_json
from remediations.diagnosis import Knowledge, ReportedEvent, SignatureError, event_of, parse_reports
from remediations.diagnosis import diagnose as ask
from remediations.diagnosis.decode import decode
from remediations.diagnosis.within import as_told, codes_in, messages_in
from remediations.model.diagnosis import Diagnosis, TextVerdict
from remediations.model.incident import Told

_PATH = re.compile(r"[\w.:~%$@+/\\-]*([/\\][\w.:~%$@+/\\-]*|\.[a-z]{2,5})", re.ASCII | re.IGNORECASE)
"""What is meant as a file's name: no message is one word with slashes, or with an ending."""

_REMEMBERED = 4096  # lines of a stream whose answers are kept
_REMEMBERED_LENGTH = 4096  # bytes of such a line
_MOST = 64 * 1024 * 1024  # bytes of one report; a stream of lines has no limit
_WIDE = 72  # columns from which causes of differing evidence stand in line
_VERDICTS = {
    TextVerdict.CAUSES: "likely causes, best first; facts decide",
    TextVerdict.UNKNOWN: "unknown: nothing in it tells a known cause; a person should look",
    TextVerdict.NOT_A_MIGRATION_FAILURE: "not a migration failure",
}


_WEAK = "unknown: nothing in it is sure of a cause; its words alone point to these, weakly; a person should look"


def diagnose(
    report: Annotated[
        str | None,
        typer.Argument(help="A file, the text itself, or - for standard input (also when left out and something is piped in)"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: a list with one answer for each event found")] = False,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help="One event as JSON per line in (log, event_id, provider, text), one answer per line out"),
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Play an evidence bundle again with today's rules instead of reading a report"),
    ] = None,
    signatures: Annotated[Path | None, typer.Option(help="A site's own signatures, added to the packaged ones")] = None,
) -> None:
    """Say which causes a report points to, with the evidence, before any host is asked.

    Understands Get-WinEvent output, event XML, Winlogbeat, Fluent Bit, Alloy/Loki and NXLog JSON, PowerShell errors, SCVMM
    job errors and pasted text, in any encoding and language of Windows. Exits 0 unless the input cannot be read.
    """
    if bundle is not None:
        if report is not None or jsonl or signatures is not None:
            _stop("--bundle goes with --json only: a bundle holds what is diagnosed, and uses the packaged signatures")
        from remediations.cli.collect import played_again

        played_again(bundle, as_json=as_json)
        return
    try:
        known = Knowledge.packaged() if signatures is None else Knowledge.packaged().with_site(signatures)
        if jsonl:
            _stream(report, known)
            return
        answers = [(event, ask(event, known)) for event in parse_reports(_read(report))]
    except SignatureError as wrong:
        _stop(str(wrong))
    except OSError as wrong:
        _stop(f"{wrong.filename or report}: {wrong.strerror or wrong}")
    if as_json:
        print_json([as_answer(answer, known) for _, answer in answers])
        return

    for event, answer in answers:
        out.print(_for_people(event, answer))


def as_line(answer: Diagnosis, known: Knowledge) -> dict[str, Any]:
    """A diagnosis as one line: `verdict`, `causes` (best first, with `score` and `evidence`) and `incident`.

    Beside `unknown` the causes are weak ones: their score is below 0.25, and their evidence says that it is words only.
    `incident` is what the report tells of it: names, times, every error code as `codes`, the messages that it nests as
    `messages`, outermost first. It is empty where the report is no migration failure.
    """
    return {
        "verdict": answer.verdict.value,
        "causes": [{"cause": each.cause.value, "score": each.score, "evidence": list(each.evidence)} for each in answer.named],
        "incident": {} if answer.told is None else _incident(answer.told, answer.codes, known),
    }


def _incident(told: Told, found: frozenset[int], known: Knowledge) -> dict[str, Any]:
    names = vars(told) if told.occurred_at is None else told.model_dump(mode="json")  # but for a time they are JSON already
    return {
        **names,
        "what": told.what.value,
        "codes": [as_told(code, known) for code in codes_in(told.message, found)],
        "messages": messages_in(told.message),
    }


def as_answer(answer: Diagnosis, known: Knowledge) -> dict[str, Any]:
    """The same, and with each cause which facts would decide."""
    line = as_line(answer, known)
    for cause, each in zip(line["causes"], answer.named, strict=True):
        cause["decided_by"] = list(each.against)
    return line


def answers_to(lines: Iterable[bytes], known: Knowledge, *, only_ascii: bool = False) -> Iterator[str]:
    """One answer for each line, whatever is in it, as a line of JSON without its end: see `as_line`.

    A line that is no JSON object gets the verdict `unknown` and an `incident` of `error` and `line`, its number.
    """

    def written(answer: dict[str, Any]) -> str:
        return json.dumps(answer, separators=(",", ":")) if only_ascii else to_json(answer).decode()

    def answer_to(line: bytes) -> str | None:
        value = _value_of(line)
        if not isinstance(value, dict):
            return None
        return written(as_line(ask(event_of(value), known), known))

    again = lru_cache(maxsize=_REMEMBERED)(answer_to)  # a log says the same again and again
    for number, line in enumerate(lines, 1):
        answer = again(line) if len(line) <= _REMEMBERED_LENGTH else answer_to(line)
        if answer is None:
            wrong = {"error": _wrong(line, number), "line": number}
            answer = written({"verdict": TextVerdict.UNKNOWN.value, "causes": [], "incident": wrong})
        yield answer


def _value_of(line: bytes) -> Any:
    """What a line holds, in UTF-8 or as PowerShell's older consoles write; None if it is no JSON."""
    try:
        return from_json(line)
    except ValueError:  # also for half a character, which the other reader takes
        texts = (line,) if line.isascii() else (line, decode(line))
    for text in texts:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return None


def _wrong(line: bytes, number: int) -> str:
    shown = decode(line[:80]).strip()
    if not shown:
        return f"line {number} is empty: give one JSON object per line"
    return f"line {number} is no JSON object but {shown!r}: give an object with any of log, event_id, provider, text"


def _stream(report: str | None, known: Knowledge) -> None:
    if report is None or report == "-":
        if report is None and sys.stdin.isatty():
            _stop("nothing to diagnose: give a file of JSON lines, or pipe them in")
        _write(_lines(sys.stdin.buffer), known)
        return
    with Path(report).open("rb") as source:
        _write(_lines(source), known)


def _lines(source: BinaryIO) -> Iterable[bytes]:
    """A file's lines as UTF-8, whichever encoding it has: PowerShell writes UTF-16 with a byte order mark."""
    first = source.readline()
    if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in first[:4]:
        return (line.encode("utf-8", "replace") for line in decode(first + source.read()).splitlines())
    return chain((first.removeprefix(codecs.BOM_UTF8),) if first else (), source)


def _write(lines: Iterable[bytes], known: Knowledge) -> None:
    unicode = (sys.stdout.encoding or "").casefold().startswith("utf")
    for answer in answers_to(lines, known, only_ascii=not unicode):
        sys.stdout.write(f"{answer}\n")


def _read(report: str | None) -> bytes | str:
    if report is None or report == "-":
        if report is None and sys.stdin.isatty():
            _stop("nothing to diagnose: give a file, the text itself in quotes, or pipe it in")
        return sys.stdin.buffer.read(_MOST)
    if "\n" in report or len(report) >= 1024 or not report.strip():  # an empty path would be this directory
        return report
    if Path(report).is_file():
        with Path(report).open("rb") as source:
            return source.read(_MOST)
    if Path(report).is_dir():
        _stop(f"{report}: this is a directory; give one file, or the text itself in quotes")
    if _PATH.fullmatch(report):
        _stop(f"{report}: there is no such file; a report can also be given as text, in quotes")
    return report


def _for_people(event: ReportedEvent, answer: Diagnosis) -> Group:
    head = Text()
    where = " · ".join(
        str(each) for each in (event.event_id, event.provider or event.channel, event.computer, event.time) if each
    )
    if where:
        head.append(f"{where}\n", style="dim")
    if answer.incident is not None:
        head.append(f"{answer.incident.title}\n", style="bold")
    head.append(_WEAK if answer.weak else _VERDICTS[answer.verdict])
    shown: list[RenderableType] = [head]
    aligned = out.width >= _WIDE
    width = max((len(each.cause.value) for each in answer.named), default=0) if aligned else None
    for evidence, those in groupby(answer.named, key=lambda each: each.evidence):
        rows = Table.grid(
            Column(width=6, justify="right"), Column(width=width, overflow="fold"), Column(), padding=(0, 2, 0, 0)
        )
        for each in those:
            rows.add_row(f"{each.score:.0%}", Text(each.cause.value, style="bold"), Text(each.cause.meaning))
        shown += [rows, *(_indented(f"for: {why}", 8) for why in evidence)]
    decided = dict.fromkeys(why for each in answer.named for why in each.against)
    shown += [_indented(f"decided by: {why}", 2) for why in decided]
    return Group(*shown, "")


def _indented(text: str, by: int) -> Padding:
    return Padding(Text(text, style="dim"), (0, 0, 0, by), expand=False)


def _stop(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(2)
