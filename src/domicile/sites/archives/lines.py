"""CSV (RFC 4180) and JSON lines: each record with its very bytes and its person's key."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from domicile.sites.archives.model import NOBODY_CAN_SAY, Key, Unreadable

__all__ = ["Record", "csv_records", "json_records", "read_line"]

Record = tuple[bytes, Key]
"""A record's bytes, line end included; a CSV's first one is its header."""

_LONGEST_LINE = 16 << 20
_DELIMITERS = ",;\t|"
_BOM = b"\xef\xbb\xbf"


class _Lines:
    """Decoded lines; `taken` gives the bytes of those since it was last asked."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._raw = stream, b""
        self._first = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = read_line(self._stream)
        if not line:
            raise StopIteration
        self._raw += line
        if len(self._raw) > _LONGEST_LINE:
            raise Unreadable("a record is longer than 16 MiB")
        text = line.removeprefix(_BOM) if self._first else line
        self._first = False
        return text.decode()

    def taken(self) -> bytes:
        raw, self._raw = self._raw, b""
        return raw


def read_line(stream: BinaryIO) -> bytes:
    """The next line, or nothing at the end. Raises Unreadable where it is too long."""
    line = stream.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise Unreadable("a line is longer than 16 MiB")
    return line


def csv_records(stream: BinaryIO, person: Sequence[str]) -> Iterator[Record]:
    """The records of a CSV file in UTF-8 with a header. The delimiter is the one of ``,;|`` and
    tab that makes the header hold the person's columns. Raises Unreadable."""
    lines = _Lines(stream)
    try:
        header = next(lines, "")
        delimiter, width, places = _columns(header, person)
        yield lines.taken(), None
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        for row in reader:
            fits = not row or max(places) < len(row) <= width
            yield lines.taken(), _csv_key(row, places) if fits else NOBODY_CAN_SAY
    except UnicodeDecodeError:
        raise Unreadable("it is no text in UTF-8") from None
    except csv.Error as error:
        raise Unreadable(f"it is no CSV ({error})") from None


def _columns(header: str, person: Sequence[str]) -> tuple[str, int, list[int]]:
    """The delimiter, how many columns there are, and where the person's are."""
    for delimiter in _DELIMITERS:
        names = next(csv.reader([header], delimiter=delimiter), [])
        if all(names.count(column) == 1 for column in person):
            return delimiter, len(names), [names.index(column) for column in person]
    raise Unreadable(f"its header has no column {', '.join(person)}, or has it twice")


def _csv_key(row: Sequence[str], places: Sequence[int]) -> Key:
    if not row:
        return None
    key = tuple(row[place] for place in places)
    return key if all(key) else None


def json_records(stream: BinaryIO, person: Sequence[str]) -> Iterator[Record]:
    """The records of a file with a JSON object a line; blank lines name nobody. Raises
    Unreadable."""
    try:
        while line := read_line(stream):
            text = line.removeprefix(_BOM).strip()
            yield line, _json_key(_object(text), person) if text else None
    except (ValueError, RecursionError):
        raise Unreadable("a line of it is no JSON object") from None


def _object(text: bytes) -> dict[str, object]:
    found = json.loads(text, object_pairs_hook=_once)
    if not isinstance(found, dict):
        raise ValueError  # noqa: TRY004 - of bad content, as its neighbours are
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; a name that stands twice in it means nothing that one could rely on."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("a JSON object of it has a name twice")
    return found


def _json_key(row: dict[str, object], person: Sequence[str]) -> Key:
    if any(column not in row for column in person):
        return NOBODY_CAN_SAY
    values = [row[column] for column in person]
    if any(value is None or value == "" for value in values):
        return None
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        return NOBODY_CAN_SAY
    return tuple(str(value) for value in values)
