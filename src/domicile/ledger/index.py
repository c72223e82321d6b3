"""An index of the log's entries in an SQLite file: made from the log, thrown away at will.

It is not evidence. What it names is read again from the log (see `search`). It is made anew where
it does not fit the log: of another log, of a longer one, of other entries (the root of the first
entries is another), with fewer or more entries than it says, or no index of this form at all.
What this cannot show is that somebody who can write the file took terms out of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.edge import read_edge
from domicile.ledger.merkle import EMPTY_ROOT, leaf_hash
from domicile.ledger.proofs import Prover
from domicile.ledger.store import Store
from domicile.ledger.terms import Query, read_found

__all__ = ["Index", "Misled"]

_TERM = "name TEXT, value TEXT, number INTEGER, PRIMARY KEY (name, value, number)"
_SCHEMA = (
    "CREATE TABLE head (origin TEXT, size INTEGER, root BLOB)",
    "CREATE TABLE entry (number INTEGER PRIMARY KEY, kind TEXT, time TEXT)",
    f"CREATE TABLE term ({_TERM}) WITHOUT ROWID",
    "CREATE INDEX entry_kind ON entry (kind, time)",
    "CREATE INDEX entry_time ON entry (time)",
)
_PATIENCE_S = 60.0
_CACHE_KIB = 16_384


class Misled(EvidenceError):
    """The index does not fit the log; it is to be made anew."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the ledger's index does not fit the log: {why}",
            expected="an index that nobody but Domicile writes to",
            next_step="see who writes to the records' cache directory, then search with --rebuild",
        )
        self.why = why


class Index:
    """An index file, brought up to date with a signed head. made_anew: why it was, if it was.

    Raises EvidenceError where the log's entries do not lead to the head.
    """

    def __init__(self, path: Path, store: Store, head: Checkpoint) -> None:
        self.made_anew = ""
        self._path, self._store, self._head = path, store, head
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._update()
        except Misled as error:
            self.rebuild(error.why)

    def rebuild(self, why: str) -> None:
        """Throw everything away and index the log again."""
        self.made_anew = why
        for suffix in ("", "-journal", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._update()

    def candidates(self, query: Query) -> Iterator[int]:
        """The numbers of the entries that the index says are asked for, in the log's order."""
        where, values = _where(query)
        statement = f"SELECT number FROM entry WHERE {where} ORDER BY number"  # noqa: S608 - ours
        try:
            with closing(self._connect()) as connection:
                for (number,) in connection.execute(statement, values):
                    yield int(number)
        except sqlite3.DatabaseError as error:
            raise _damage(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE_S, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA synchronous = OFF")  # a torn index is made anew
        return connection

    def _update(self) -> None:
        """In one transaction, so that no other process sees half of it."""
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                size = self._fitting(connection)
                if size < self._head.size:
                    self._grow(connection, size)
        except sqlite3.DatabaseError as error:
            raise _damage(error) from error

    def _fitting(self, connection: sqlite3.Connection) -> int:
        """How many entries are indexed: the log's first ones. Raises Misled."""
        if not _has_schema(connection):
            return 0
        rows = connection.execute("SELECT origin, size, root FROM head").fetchmany(2)
        origin, size, root = rows[0] if len(rows) == 1 else ("", 0, b"")
        if origin != self._head.origin or not isinstance(size, int):
            raise Misled("it is of another log")
        if not 0 <= size <= self._head.size:
            raise Misled("it holds more entries than the log")
        if root != _root(self._store, size):
            raise Misled("it is of other entries than the log's")
        if _span(connection) != ((size, 0, size - 1) if size else (0, None, None)):
            raise Misled("it holds fewer or more entries than it says")
        return size

    def _grow(self, connection: sqlite3.Connection, size: int) -> None:
        """Index the entries from ``size`` on. They must lead to the signed root."""
        edge, _ = read_edge(self._store, size)
        for number, data in self._store.entries(self._head.size, size):
            edge.append(leaf_hash(data))
            found = read_found(number, data)
            row = (number, found.kind, found.time)
            connection.execute("INSERT INTO entry VALUES (?, ?, ?)", row)
            terms = [(name, value, number) for name, value in found.terms]
            connection.executemany("INSERT OR IGNORE INTO term VALUES (?, ?, ?)", terms)
        if edge.root() != self._head.root:
            raise EvidenceError(
                "the ledger's entries do not lead to its signed root",
                expected="every entry as it was signed",
                next_step="run `domicile ledger verify`: it says which entries do not fit",
            )
        head = (self._head.origin, self._head.size, self._head.root)
        connection.execute("DELETE FROM head")
        connection.execute("INSERT INTO head VALUES (?, ?, ?)", head)


def _has_schema(connection: sqlite3.Connection) -> bool:
    """Whether the file has this schema, or was empty and has it now. Raises Misled: a file of
    another form may hold views and triggers that never end."""
    rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchmany(20)
    if not rows:
        for statement in _SCHEMA:
            connection.execute(statement)
    elif sorted(str(sql) for (sql,) in rows) != sorted(_SCHEMA):
        raise Misled("it is no index of this form")
    return bool(rows)


def _root(store: Store, size: int) -> bytes | None:
    try:
        return Prover(store, size).root() if size else EMPTY_ROOT
    except EvidenceError:  # whoever reads the entries finds out
        return None


def _span(connection: sqlite3.Connection) -> tuple[int, int | None, int | None]:
    query = "SELECT count(*), min(number), max(number) FROM entry"
    count, first, last = connection.execute(query).fetchone()
    return count, first, last


def _where(query: Query) -> tuple[str, list[str]]:
    parts, values = ["number >= 0"], list[str]()
    if query.kinds:
        parts.append(f"({' OR '.join(['kind = ? OR kind BETWEEN ? AND ?'] * len(query.kinds))})")
        for kind in query.kinds:
            values += [kind, f"{kind}.", f"{kind}.\U0010ffff"]
    for name, value in query.terms.items():
        parts.append("number IN (SELECT number FROM term WHERE name = ? AND value = ?)")
        values += [name, value]
    if query.since:
        parts.append("time >= ?")
        values.append(query.since)
    if query.until:
        parts.append("time < ?")
        values.append(query.until)
    return " AND ".join(parts), values


def _damage(error: sqlite3.DatabaseError) -> Exception:
    """A file that is damaged or no database is made anew; whatever else SQLite says (locked, no
    room) is not the file's fault."""
    return Misled(f"it is damaged ({error})") if type(error) is sqlite3.DatabaseError else error
