"""The register: who is a member, merged from every site that knows people, frozen for a run.

A person is a member if any site says so: what one site knows and another has reduced to a public
projection stays known. A person whose country is written nowhere is unknown, and what belongs to
them is not examined. The register is Parquet, ordered by person; an SQLite index beside it serves
look-ups in bounded memory and can be thrown away.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from domicile.charter import People
from domicile.errors import EvidenceError
from domicile.sites.postgres import TableName

__all__ = [
    "Counts",
    "Membership",
    "Register",
    "RegisterBuilder",
    "person_text",
    "read_people",
    "schema_for",
]

SCHEMA = pa.schema(
    [
        pa.field("person", pa.string(), nullable=False),
        pa.field("key", pa.list_(pa.string()), nullable=False),
        pa.field("country", pa.string()),
        pa.field("member", pa.bool_()),
    ]
)

_KEY_TYPES = b"domicile.key_types"

Membership = bool | None
"""True: a member; False: known to belong elsewhere; None: known, country unknown."""


def person_text(key: Sequence[str]) -> str:
    """A person's key as one text: the value itself, or a JSON array of a composite key."""
    return key[0] if len(key) == 1 else json.dumps(list(key), ensure_ascii=False)


def read_people(
    connection: psycopg.Connection, people: People
) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """(key values as text, country as the column spells it) for every row of a people table."""
    table = TableName.parse(people.table)
    columns = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(name)) for name in (*people.key, people.country)
    )
    query = sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(table.schema, table.name))
    with connection.cursor(name="domicile_people") as cursor:
        cursor.itersize = 10_000
        cursor.execute(query)
        for row in cursor:
            yield tuple(row[:-1]), row[-1]


def schema_for(key_types: Sequence[str]) -> pa.Schema:
    """The register's schema, which carries the base types of a person's key."""
    return SCHEMA.with_metadata({_KEY_TYPES: json.dumps(list(key_types)).encode()})


@dataclass(frozen=True, slots=True)
class Counts:
    """Persons, members among them, and those without a known country. spellings: values of the
    country column that are no country, with how many rows have them."""

    persons: int
    members: int
    unknown: int
    spellings: Mapping[str, int]


class RegisterBuilder:
    """Merges sites' people into one register. Writes the index at ``index``."""

    def __init__(self, index: Path, people: People, members: Sequence[str]) -> None:
        self._people = people
        self._members = frozenset(members)
        self._unspelled: dict[str, int] = {}
        index.parent.mkdir(parents=True, exist_ok=True)
        index.unlink(missing_ok=True)
        self._database = sqlite3.connect(index, isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE persons (person TEXT PRIMARY KEY, key TEXT NOT NULL, country TEXT,"
            " member INTEGER) WITHOUT ROWID; BEGIN;"
        )

    def add(self, rows: Iterable[tuple[tuple[str, ...], str | None]]) -> None:
        """Merge one site's people. A member anywhere is a member; a country beats none."""
        self._database.executemany(
            "INSERT INTO persons VALUES (?, ?, ?, ?) ON CONFLICT (person) DO UPDATE SET"
            " country = CASE WHEN excluded.member = 1 OR persons.country IS NULL"
            " THEN coalesce(excluded.country, persons.country) ELSE persons.country END,"
            " member = CASE WHEN persons.member IS NULL THEN excluded.member"
            " WHEN excluded.member IS NULL THEN persons.member"
            " ELSE max(persons.member, excluded.member) END",
            (self._row(key, spelled) for key, spelled in rows),
        )

    def _row(
        self, key: tuple[str, ...], spelled: str | None
    ) -> tuple[str, str, str | None, int | None]:
        country = self._country(spelled)
        member = None if country is None else int(country in self._members)
        return person_text(key), json.dumps(list(key)), country, member

    def _country(self, spelled: str | None) -> str | None:
        if spelled is None:
            return None
        text = spelled.strip()
        if text in self._people.spellings:
            return self._people.spellings[text]
        if len(text) == 2 and text.isascii() and text.isalpha() and text.isupper():
            return text
        if not text.startswith("removed-"):
            self._unspelled[text[:80]] = self._unspelled.get(text[:80], 0) + 1
        return None

    def finish(self) -> tuple[Iterator[pa.Table], Counts]:
        """The register's tables in order of persons, and what it counts."""
        self._database.execute("COMMIT")
        persons, members, unknown = self._database.execute(
            "SELECT count(*), coalesce(sum(member = 1), 0), coalesce(sum(member IS NULL), 0)"
            " FROM persons"
        ).fetchone()
        return self._tables(), Counts(persons, members, unknown, dict(self._unspelled))

    def _tables(self) -> Iterator[pa.Table]:
        cursor = self._database.execute(
            "SELECT person, key, country, member FROM persons ORDER BY person"
        )
        while rows := cursor.fetchmany(50_000):
            yield pa.Table.from_pydict(
                {
                    "person": [row[0] for row in rows],
                    "key": [json.loads(row[1]) for row in rows],
                    "country": [row[2] for row in rows],
                    "member": [None if row[3] is None else bool(row[3]) for row in rows],
                },
                schema=SCHEMA,
            )
        self._database.close()


class Register:
    """A frozen register, read from its Parquet file; look-ups go through the index beside it.
    Raises EvidenceError where the file is missing or damaged."""

    def __init__(self, path: Path, index: Path) -> None:
        self._path = path
        if not index.exists():
            _index(path, index)
        self._database = sqlite3.connect(f"file:{index}?mode=ro", uri=True)

    def membership(self, persons: Sequence[str]) -> dict[str, Membership]:
        """What is known of these persons; those the register does not know are left out."""
        found: dict[str, Membership] = {}
        for start in range(0, len(persons), 500):
            chunk = persons[start : start + 500]
            marks = ",".join("?" * len(chunk))
            found.update(
                (person, None if member is None else bool(member))
                for person, member in self._database.execute(
                    f"SELECT person, member FROM persons WHERE person IN ({marks})",  # noqa: S608
                    chunk,
                )
            )
        return found

    def persons(self) -> Iterator[tuple[list[str], Membership]]:
        """(key values, membership) of everybody, for a database session's member tables."""
        for keys, members in _columns(self._path, "key", "member"):
            yield from zip(keys, members, strict=True)

    @property
    def key_types(self) -> tuple[str, ...]:
        """The base types of a person's key, where the people table is."""
        try:
            metadata = pq.read_schema(self._path).metadata or {}
            return tuple(json.loads(metadata[_KEY_TYPES]))
        except (KeyError, OSError, ValueError, pa.ArrowException) as error:
            raise _damaged(self._path) from error

    def close(self) -> None:
        """Release the index."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _index(path: Path, index: Path) -> None:
    """Make the index again. Workers may do so at once: each writes a file of its own, and the
    last one stays."""
    index.parent.mkdir(parents=True, exist_ok=True)
    temporary = index.with_name(f".{index.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with closing(sqlite3.connect(temporary)) as database:
            database.execute(
                "CREATE TABLE persons (person TEXT PRIMARY KEY, member INTEGER) WITHOUT ROWID"
            )
            for persons, members in _columns(path, "person", "member"):
                database.executemany(
                    "INSERT INTO persons VALUES (?, ?)", zip(persons, members, strict=True)
                )
            database.commit()
        temporary.rename(index)
    finally:
        temporary.unlink(missing_ok=True)


def _columns(path: Path, *names: str) -> Iterator[list[Any]]:
    """The columns of a register's file, a batch at a time. Raises EvidenceError."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=10_000, columns=list(names)):
                yield [batch.column(name).to_pylist() for name in names]
    except (KeyError, OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> EvidenceError:
    return EvidenceError(
        f"the register {path.name} is missing, damaged or not one of ours",
        expected="the file as it was written",
        next_step="run `domicile ledger verify`, then restore the file or start a new scan",
    )
