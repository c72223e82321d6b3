"""A list of persons in a file, one a line, as the register writes them. Pure.

Persons are told by line numbers in what is said of a list, never by what the line holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from domicile.errors import UsageError
from domicile.people.register import person_text

__all__ = ["bad_lines", "listed_persons"]

_MOST_BYTES = 8192
_SHOWN = 10


def listed_persons(lines: Iterable[bytes], key: Sequence[str]) -> dict[str, int]:
    """Each person of a list with the number of the first line that has them; lines that are empty
    are passed over. key: the columns of the people table's key; several make a line a JSON array of
    as many texts.

    Raises UsageError where the list is empty, or lines of it are no person's key.
    """
    persons: dict[str, int] = {}
    bad: list[int] = []
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        text = text.rstrip(b"\r\n")
        if not text:
            continue
        person = _person(text, len(key))
        if person is None:
            bad.append(number)
        else:
            persons.setdefault(person, number)
    if bad:
        several = f"JSON arrays of {len(key)} texts ({', '.join(key)})"
        raise bad_lines(bad, "hold no person's key", several if len(key) > 1 else "UTF-8 text")
    if not persons:
        raise UsageError(
            "the list names nobody",
            expected="one person a line, as the register of members has them",
            next_step="see who is to be in it; nothing was done",
        )
    return persons


def bad_lines(numbers: Sequence[int], what: str, expected: str) -> UsageError:
    """The error where something is wrong with these lines."""
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    more = f" and {len(numbers) - _SHOWN:,} more" if len(numbers) > _SHOWN else ""
    return UsageError(
        f"lines {shown}{more} of the list {what}",
        expected=expected,
        next_step="correct the list; nothing was done for anybody in it",
    )


def _person(line: bytes, columns: int) -> str | None:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    if len(line) > _MOST_BYTES or "\0" in text:
        return None
    if columns == 1:
        return text
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or len(parts) != columns:
        return None
    return person_text(parts) if all(isinstance(part, str) for part in parts) else None
