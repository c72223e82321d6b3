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

from domicile.charter import CountryWay, People, Way
from domicile.errors import CharterError, EvidenceError
from domicile.people.hops import Hop, soft_hop
from domicile.people.values import held_values, parent_values
from domicile.sites.postgres import Database, TableName, table_identifier

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

_REMOVED = "removed-"

Membership = bool | None
"""True: a member; False: known to belong elsewhere; None: known, country unknown."""


def person_text(key: Sequence[str]) -> str:
    """A person's key as one text: the value itself, or a JSON array of a composite key."""
    return key[0] if len(key) == 1 else json.dumps(list(key), ensure_ascii=False)


def read_people(
    connection: psycopg.Connection, people: People, database: Database
) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """(key values as text, country as it is spelled) for every row of a people table. None where a
    person has no country; nor, where it stands in another table, rows there that agree on one.
    Raises CharterError where these can't be compared with the person's."""
    country = CountryWay.parse(people.country)
    query = _own_country(people, country.column)
    if country.way is not None:
        query = _country_elsewhere(people, country.column, country.way, database)
    with connection.cursor(name="domicile_people") as cursor:
        cursor.itersize = 10_000
        cursor.execute(query)
        for row in cursor:
            yield tuple(row[:-1]), _agreed(people, row[-1])


def _own_country(people: People, column: str) -> sql.Composed:
    return sql.SQL("SELECT {}, ARRAY[{}::text] FROM {} AS p").format(
        _key_texts(people), sql.Identifier("p", column), _people(people)
    )


def _country_elsewhere(people: People, column: str, way: Way, database: Database) -> sql.Composed:
    """The distinct countries of the rows to which a person's leads; none where this database lacks
    their table. Hashed once: it isn't asked person by person."""
    mine = database.tables[TableName.parse(people.table)]
    there = database.tables.get(TableName.parse(way.table))
    if there is None:
        return sql.SQL("SELECT {}, NULL::text[] FROM {} AS p").format(
            _key_texts(people), _people(people)
        )
    hop = soft_hop(mine, way, there, way.there)
    if not isinstance(hop, Hop):
        raise CharterError(
            f"[people] country: {hop[0].replace('`person`', 'its').removeprefix('its ')}",
            expected="columns that can be compared",
            next_step=hop[1],
        )
    names = [sql.Identifier(f"domicile_{number}") for number, _ in enumerate(way.there)]
    values = [
        sql.SQL("{} AS {}").format(value, name)
        for value, name in zip(parent_values(hop, "c"), names, strict=True)
    ]
    return sql.SQL(
        "SELECT {key}, e.domicile_countries FROM {people} AS p LEFT JOIN (SELECT {values},"
        " array_agg(DISTINCT {country}::text) AS domicile_countries FROM {there} AS c"
        " GROUP BY {numbers}) AS e ON ({held}) = ({names})"
    ).format(
        key=_key_texts(people),
        people=_people(people),
        values=sql.SQL(", ").join(values),
        country=sql.Identifier("c", column),
        there=table_identifier(there.name),
        numbers=sql.SQL(", ").join(sql.SQL(str(n)) for n in range(1, len(names) + 1)),
        held=sql.SQL(", ").join(held_values(hop, "p")),
        names=sql.SQL(", ").join(sql.SQL("e.{}").format(name) for name in names),
    )


def _key_texts(people: People) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier("p", name)) for name in people.key
    )


def _people(people: People) -> sql.Composable:
    table = TableName.parse(people.table)
    return table_identifier(table)


def _agreed(people: People, spelled: Sequence[str | None] | None) -> str | None:
    """The spelling of one country, if all are of one. Rows without a country, or with what stands
    for a removed one, say nothing."""
    said = [text for text in spelled or () if text and not text.startswith(_REMOVED)]
    countries = {_country(people, text) for text in said}
    return said[0] if len(said) == 1 or (len(countries) == 1 and None not in countries) else None


def _country(people: People, spelled: str) -> str | None:
    """The country that a spelling means."""
    text = spelled.strip()
    if text in people.spellings:
        return people.spellings[text]
    return text if len(text) == 2 and text.isascii() and text.isalpha() and text.isupper() else None


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
        country = _country(self._people, spelled)
        text = spelled.strip()
        if country is None and not text.startswith(_REMOVED):
            self._unspelled[text[:80]] = self._unspelled.get(text[:80], 0) + 1
        return country

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
