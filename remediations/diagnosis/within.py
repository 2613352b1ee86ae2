"""What stands within a report beside its names: every error code, and the messages that it nests, outermost first."""

from __future__ import annotations

import re

from remediations.diagnosis.signatures import Knowledge

MESSAGES = 20  # nested messages that are told apart
_CONSIDERED = 16_384  # characters in which they are looked for
_SUCCESS = 0x7FFFFFFF  # the largest number that is no failure as an HRESULT or NTSTATUS
_WHOLE = 0xFFFFFFFF
# Written as Windows does, and no part of a longer number or name. Each begins with what is quick to find.
_HEXADECIMAL = re.compile(r"0[xX](?<![\w-]..)([0-9a-fA-F]{8})(?![\w-])")
_AFTER_ID = re.compile(r"([0-9a-fA-F]{12}\)) ")  # of a machine, with which Hyper-V ends its own sentences
_DECIMAL = re.compile(r"-(?<![\w-].)(\d{9,10})(?![\w-])")


def codes_in(text: str, found: frozenset[int]) -> tuple[int, ...]:
    """Every error code of a text as unsigned 32-bit number, in its order; also failures that no table has.

    `found` are the known ones; those that are written as words, or as a number that the words around it make a code, come last.
    """
    text = text[:_CONSIDERED]
    written: list[tuple[int, int]] = []
    if "0x" in text or "0X" in text:
        written += [(each.start(), int(each[1], 16)) for each in _HEXADECIMAL.finditer(text)]
    if "-1" in text or "-2" in text:
        written += [(each.start(), -int(each[1]) & _WHOLE) for each in _DECIMAL.finditer(text)]
    there = dict.fromkeys(code for _, code in sorted(written) if code > _SUCCESS or code in found)
    return (*there, *sorted(found - there.keys()))


def messages_in(text: str) -> tuple[str, ...]:
    """The messages that a text nests, outermost first: its lines, or, where it is one line only, its sentences."""
    lines = text[:_CONSIDERED].strip().splitlines()
    if len(lines) == 1:
        lines = _AFTER_ID.sub(r"\1\n", lines[0].replace(". ", ".\n").replace(".\n(", ". (").replace("。", "。\n")).splitlines()
    return tuple([line for each in lines if (line := each.strip())][:MESSAGES])


def as_told(code: int, known: Knowledge) -> dict[str, str]:
    """A code as `0x8009030E`, with its name and meaning; these are empty where no table has it."""
    its = known.codes.get(code)
    return {"code": f"0x{code:08X}", "name": its.name if its else "", "meaning": its.meaning if its else ""}
