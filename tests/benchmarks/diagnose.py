"""How many messages a second the diagnosis answers on one core, on the labelled messages. Prints, asserts nothing.

`python tests/benchmarks/diagnose.py [seconds]`
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from remediations.cli.diagnose import answers_to
from remediations.diagnosis import Knowledge, ReportedEvent, diagnose

_QUOTED = re.compile(r"'([^'\n]{1,60})'")
CORPUS = Path(__file__).parents[1] / "diagnosis" / "corpus.jsonl"


def main(seconds: float) -> None:
    rows = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    events = [
        ReportedEvent(text=row["text"], event_id=row.get("event_id"), channel=row.get("log"), provider=row.get("provider"))
        for row in rows
    ]
    started = time.perf_counter()
    diagnose(events[0])
    print(f"first answer, with loading the signatures: {time.perf_counter() - started:.3f} s")
    best, total, spent = 0.0, 0, 0.0
    while spent < seconds:
        # New names in every text, so that nothing is answered from a cache of whole messages or sentences.
        fresh = [event.model_copy(update={"text": _renamed(event.text, total)}) for event in events]
        started = time.process_time()
        for event in fresh:
            diagnose(event)
        took = time.process_time() - started
        total, spent, best = total + len(fresh), spent + took, max(best, len(fresh) / took)
    rate = f"{total / spent:,.0f} messages/s of one core's time, best pass {best:,.0f}"
    print(f"{rate} ({total:,} messages, mean {_mean(rows)} characters)")
    fresh = [{**row, "text": _renamed(row["text"], number)} for number in range(total, total + 50) for row in rows]
    print(f"as lines of JSON, read and written, each with names of its own: {_lines(fresh):,.0f} messages/s")
    print(f"the same lines over and over: {_lines(rows * 50):,.0f} messages/s")


def _lines(rows: list[dict[str, str]]) -> float:
    """What `remediate diagnose --jsonl` answers a second of a core's time, once it runs."""
    given = [json.dumps({name: row.get(name) for name in ("log", "event_id", "provider", "text")}).encode() for row in rows]
    known = Knowledge.packaged()
    started = time.process_time()
    for _ in answers_to(given, known):
        pass
    return len(given) / (time.process_time() - started)


def _renamed(text: str, number: int) -> str:
    """The text with every quoted name changed, and something new at its end."""
    renamed = _QUOTED.sub(lambda name: f"'{name[1]}-{number}'", text)
    return f"{renamed}\n#{number}"


def _mean(rows: list[dict[str, str]]) -> int:
    return sum(len(row["text"]) for row in rows) // len(rows)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
