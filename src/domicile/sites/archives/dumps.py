"""``pg_dump``: rows out of plain SQL's COPY blocks; other formats become SQL by ``pg_restore``.

`pg_restore -f -` turns an archive into text and runs none of it. Rows written as INSERT are not
read: then nobody can say whose they are.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from domicile.sites.archives.lines import read_line
from domicile.sites.archives.model import NOBODY_CAN_SAY, Key, Unreadable

__all__ = ["as_sql", "sql_keys", "table_keys"]

_NAME = r'(?:"(?:[^"]|"")+"|[a-z_\x80-\U0010ffff][a-z0-9_$\x80-\U0010ffff]*)'
_COPY = re.compile(rf"COPY ({_NAME})\.({_NAME}) (?:\((.*)\))? FROM stdin;\r?\n", re.DOTALL)
_COPY_ENDS = (b" FROM stdin;\n", b" FROM stdin;\r\n")
_LONGEST_COPY_BYTES = 1 << 20
_COLUMN = re.compile(rf"({_NAME})(?:, |$)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_UNREAD = (b"INSERT INTO ", b"SELECT pg_catalog.lowrite(")  # rows; bytes of large objects
_NO_UTF8 = "it is no dump in UTF-8: make it with --encoding=UTF8"
_FORMAT_AT = 10
_CUSTOM = b"\x01"


@contextmanager
def as_sql(file: BinaryIO, programs: Sequence[Path], *, is_tar: bool) -> Iterator[BinaryIO]:
    """A dump in the custom or tar format, at its beginning in a file of its own, as SQL. Raises
    Unreadable where none of these ``pg_restore`` (newest first) reads it."""
    head = file.read(_FORMAT_AT + 1)
    file.seek(0, os.SEEK_END)  # drops what was buffered: the descriptor goes where we go
    file.seek(0)
    if not is_tar and head[_FORMAT_AT:] != _CUSTOM:
        raise Unreadable(
            "it is a part of a dump in the directory format, whose files are one archive where they"
            " lie in a folder of their own as pg_dump names them"
        )
    if not programs:
        raise Unreadable("there is no pg_restore here: install PostgreSQL's client programs")
    options = ["--file=-", "--data-only", f"--format={'tar' if is_tar else 'custom'}"]
    with subprocess.Popen(  # noqa: S603 - no shell, our own options
        [programs[0], *options],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C"},
    ) as child:
        try:
            yield cast("BinaryIO", child.stdout)
            if child.wait() != 0:
                raise Unreadable("pg_restore can't read all of it: it is damaged, or too new")
        finally:
            child.kill()


def table_keys(stream: BinaryIO, head: str, tables: Mapping[str, Sequence[str]]) -> Iterator[Key]:
    """The key of each row of a file that holds one table's rows. head: the COPY that would read it;
    none where its rows are INSERTs. Raises Unreadable."""
    if not head:
        yield from sql_keys(stream, tables)
        return
    try:
        yield from _block(stream, head, tables)
    except UnicodeDecodeError:
        raise Unreadable(_NO_UTF8) from None
    while line := read_line(stream):
        if line.strip():
            raise Unreadable("something follows the end of a table")


def sql_keys(stream: BinaryIO, tables: Mapping[str, Sequence[str]]) -> Iterator[Key]:
    """The key of each row of a plain dump. Raises Unreadable."""
    try:
        while line := read_line(stream):
            if line.startswith(b"COPY "):
                yield from _block(stream, _whole_copy(stream, line).decode(), tables)
            elif line.startswith(_UNREAD):
                yield NOBODY_CAN_SAY
    except UnicodeDecodeError:
        raise Unreadable(_NO_UTF8) from None


def _whole_copy(stream: BinaryIO, line: bytes) -> bytes:
    """A COPY to its end: names may have line ends in them."""
    while not line.endswith(_COPY_ENDS) and len(line) < _LONGEST_COPY_BYTES:
        more = read_line(stream)
        if not more:
            break
        line += more
    return line


def _block(stream: BinaryIO, head: str, tables: Mapping[str, Sequence[str]]) -> Iterator[Key]:
    found = _COPY.fullmatch(head)
    if found is None:
        raise Unreadable("a COPY of it is not as pg_dump writes it")
    name = f"{_unquoted(found[1])}.{_unquoted(found[2])}"
    columns = [_unquoted(each) for each in _COLUMN.findall(found[3] or "")]
    person = tables.get(name)
    places = [columns.index(c) for c in person or () if c in columns]
    is_known = person is not None and len(places) == len(person)
    while (line := read_line(stream)).rstrip(b"\r\n") != b"\\.":
        if not line:
            raise Unreadable("it ends in the middle of a table")
        yield _row_key(line.decode(), places) if is_known else NOBODY_CAN_SAY


def _row_key(line: str, places: Sequence[int]) -> Key:
    if not places:
        return None
    values = line.rstrip("\r\n").split("\t")
    if len(values) <= max(places):
        return NOBODY_CAN_SAY
    key = [values[place] for place in places]
    return None if "\\N" in key else tuple(_ESCAPED.sub(_character, value) for value in key)


def _character(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
