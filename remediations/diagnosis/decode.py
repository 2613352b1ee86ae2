"""Bytes to text: the encodings that Windows' logs and consoles leave behind, with and without a byte order mark."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 65_536
_KANA = re.compile("[\u3041-\u30ff]")
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_COMMON_HAN = re.compile("[的是在不了有和无無机機失败敗迁遷移虚虛拟擬主源目标標误誤连連接群集节節点點]")


def decode(raw: bytes) -> str:
    """The text of bytes in UTF-8, UTF-16, UTF-32, Shift-JIS, GB18030 or Windows-1252.

    Never raises: what fits nothing else is Windows-1252.
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(name, "replace")
    sample = raw[:_SAMPLE]
    if b"\0" in sample:  # text has no NUL, except as half of a UTF-16 character
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        if max(even, odd) > len(sample) // 8 or len(sample) < 16:
            return raw.decode("utf-16-le" if odd >= even else "utf-16-be", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return _without_mark(raw)


def _without_mark(raw: bytes) -> str:
    """Neither marked nor UTF-8: Japanese and Chinese code pages are told by the characters that their languages use most."""
    candidates = []
    for name in ("cp932", "gb18030"):
        try:
            candidates.append(raw.decode(name))
        except UnicodeDecodeError:
            candidates.append("")
    japanese, chinese = candidates
    kana = len(_KANA.findall(japanese[:_SAMPLE]))
    if kana >= 3 and kana > len(_HALF_WIDTH.findall(japanese[:_SAMPLE])):
        return japanese
    if len(_COMMON_HAN.findall(chinese[:_SAMPLE])) >= 3:
        return chinese
    return raw.decode("cp1252", "replace")
