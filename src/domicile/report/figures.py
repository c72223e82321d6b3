"""How numbers, sizes, times and names from outside are written. Pure."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

__all__ = ["count", "day", "moment", "short", "shown", "size", "word_for"]

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_THOUSAND = 1000


def count(number: int) -> str:
    """With thousands separators; -1 is a number nobody knows."""
    return "unknown" if number < 0 else f"{number:,}"


def size(size_bytes: int) -> str:
    """Bytes in decimal units: ``1.5 MB``."""
    if size_bytes < _THOUSAND:
        return f"{size_bytes:,} B"
    amount = float(size_bytes)
    for unit in _UNITS:
        amount /= _THOUSAND
        if amount < _THOUSAND - 0.5 or unit == _UNITS[-1]:
            break
    return f"{amount:.1f} {unit}" if amount < 100 else f"{amount:,.0f} {unit}"


def moment(text: str) -> str:
    """An RFC 3339 time for people: ``23 November 2026, 21:04:05 UTC``; as it is where it is
    none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return shown(text)
    if when.tzinfo is not None:
        when = when.astimezone(UTC)
    return f"{when.day} {when:%B %Y, %H:%M:%S} UTC"


def day(text: str) -> str:
    """The day of an RFC 3339 time, for people: ``23 November 2026``."""
    return moment(text).partition(",")[0]


def shown(text: object) -> str:
    """A text from outside with nothing invisible in it: control, format and direction characters
    are written as escapes, so that a name cannot pass for another."""
    return "".join(
        character if unicodedata.category(character) not in _INVISIBLE else _escape(character)
        for character in str(text)
    )


def short(text: object, length: int) -> str:
    """At most so many characters of a text, shown."""
    whole = shown(text)
    return whole if len(whole) <= length else whole[: length - 1] + "…"


def word_for(number: int, singular: str, plural: str) -> str:
    """``1 shard``, ``2 shards``."""
    return f"{count(number)} {singular if number == 1 else plural}"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
