"""What the demo's database must look like before and after: rows. Independent of Domicile's scan.

Written down by hand from the schema: whose each row is, which columns are public, and what refers
to what. Rows are compared as PostgreSQL prints them, under pinned settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import psycopg

__all__ = ["TABLES", "Row", "Rows", "TableFacts", "compare_rows", "read_rows"]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """owner: SQL for the person's id, over the alias t. public: columns that may stay. private:
    every other column; those in may_be_empty hold '' once their source is gone."""

    key: str
    owner: str
    public: str
    private: str
    references: tuple[tuple[str, str], ...] = ()
    may_be_empty: str = ""


TABLES: dict[str, TableFacts] = {
    "users": TableFacts(
        "id",
        "t.id",
        "id,handle,handle_lower,country,created_at",
        "language,email,email_domain,phone,birthday,display_name,bio,avatar_key,settings,balance,"
        "invited_by",
        (("country", "countries"), ("language", "languages"), ("invited_by", "users")),
        may_be_empty="email_domain",
    ),
    "sounds": TableFacts(
        "id",
        "t.created_by",
        "id,title,artist,duration_ms,created_by",
        "",
        (("created_by", "users"),),
    ),
    "videos": TableFacts(
        "id",
        "t.author_id",
        "id,author_id,caption,sound_id,object_key,duration_ms,seconds,visibility,hashtags,"
        "created_at",
        "filmed_at",
        (("author_id", "users"), ("sound_id", "sounds")),
    ),
    "drafts": TableFacts(
        "id",
        "t.owner_id",
        "",
        "owner_id,title,object_key,edits,updated_at",
        (("owner_id", "users"),),
    ),
    "comments": TableFacts(
        "id",
        "t.user_id",
        "id,user_id,video_id,parent_id,created_at",
        "body",
        (("user_id", "users"), ("video_id", "videos"), ("parent_id", "comments")),
    ),
    "likes": TableFacts(
        "user_id,video_id",
        "t.user_id",
        "",
        "created_at",
        (("user_id", "users"), ("video_id", "videos")),
    ),
    "follows": TableFacts(
        "follower_id,followed_id",
        "t.follower_id",
        "",
        "created_at",
        (("follower_id", "users"), ("followed_id", "users")),
    ),
    "direct_messages": TableFacts(
        "id",
        "t.sender_id",
        "",
        "sender_id,recipient_id,body,attachment_key,sent_at,read_at",
        (("sender_id", "users"), ("recipient_id", "users")),
    ),
    "watch_events": TableFacts("user_id,video_id,ms,at", "t.user_id", "", ""),
    "devices": TableFacts(
        "id",
        "t.user_id",
        "",
        "user_id,model,advertising_id,last_latitude,last_longitude,last_ip,push_token,last_seen",
        (("user_id", "users"),),
    ),
    "support_tickets": TableFacts(
        "id", "t.user_id", "", "user_id,subject,closed,opened_at", (("user_id", "users"),)
    ),
    "ticket_messages": TableFacts(
        "id",
        "(SELECT s.user_id FROM support_tickets s WHERE s.id = t.ticket_id)",
        "",
        "ticket_id,author,body,sent_at",
        (("ticket_id", "support_tickets"),),
    ),
    "wallet_entries": TableFacts(
        "user_id,entry_no", "t.user_id", "", "amount,currency,memo,at", (("user_id", "users"),)
    ),
}
_REFERENCE_TABLES = ("countries", "languages")
_SHOWN = 3


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One row's digests. count: how many exactly equal rows there are (tables without a key)."""

    owner: int | None
    whole: str
    public: str
    is_bare: bool  # every private column is NULL, empty by derivation, or a named placeholder
    count: int


Table = dict[str, Row]


class Rows(msgspec.Struct, frozen=True):
    """A database's rows by table and key, its reference tables and its constraints."""

    tables: dict[str, Table]
    reference_tables: dict[str, str]
    constraints: list[str]
    broken_references: list[str]
    referred_to: dict[str, list[str]]  # by table, the keys to which a row here refers


_SETTINGS = "-c timezone=UTC -c datestyle=ISO -c extra_float_digits=1 -c bytea_output=hex"
_CONSTRAINTS = """
SELECT conrelid::regclass::text || ': ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype IN ('f', 'p', 'u') AND convalidated
AND connamespace = 'public'::regnamespace ORDER BY 1
"""


def read_rows(url: str) -> Rows:
    """Read a whole database. One without tables has no rows and no constraints."""
    with psycopg.connect(url, options=_SETTINGS) as connection:
        found = connection.execute("SELECT to_regclass('public.users') IS NOT NULL").fetchone()
        if not found or not found[0]:
            return Rows({table: {} for table in TABLES}, {}, [], [], {})
        return Rows(
            {table: _read(connection, table) for table in TABLES},
            {table: _digest(connection, table) for table in _REFERENCE_TABLES},
            [str(row[0]) for row in connection.execute(_CONSTRAINTS)],
            list(_broken(connection)),
            {table: _referred_to(connection, table) for table in sorted(_REFERRED_TO)},
        )


_Connection = psycopg.Connection[tuple[object, ...]]


def _read(connection: _Connection, table: str) -> Table:
    facts = TABLES[table]
    columns = ",".join(
        dict.fromkeys(part for part in (facts.key, facts.public, facts.private) if part)
    )
    # The facts above are the only source of these names.
    statement = (
        f"SELECT ROW({facts.key})::text, {facts.owner}, md5(ROW({columns})::text),"  # noqa: S608
        f" md5(ROW({facts.public})::text), {_bare(facts)} FROM {table} t"
    )
    found: Table = {}
    for key, owner, whole, public, bare in connection.execute(statement.encode()):
        earlier = found.get(str(key))
        found[str(key)] = Row(
            None if owner is None else int(str(owner)),
            str(whole),
            str(public),
            bool(bare),
            earlier.count + 1 if earlier else 1,
        )
    return found


def _bare(facts: TableFacts) -> str:
    derived = facts.may_be_empty.split(",")
    tests = [
        f"({column} IS NULL OR {column}::text {_EMPTY if column in derived else _NAMED})"
        for column in facts.private.split(",")
        if column
    ]
    return " AND ".join(tests) or "true"


_EMPTY = "= ''"
_NAMED = "LIKE 'removed-%'"


def _referred_to(connection: _Connection, table: str) -> list[str]:
    """Keys of the rows of a table to which some row refers."""
    queries = [
        f"SELECT ROW({column})::text FROM {child} WHERE {column} IS NOT NULL"  # noqa: S608
        for child, facts in TABLES.items()
        for column, parent in facts.references
        if parent == table
    ]
    return [str(row[0]) for row in connection.execute(" UNION ".join(queries).encode())]


_REFERRED_TO = {parent for facts in TABLES.values() for _, parent in facts.references} & set(TABLES)


def _digest(connection: _Connection, table: str) -> str:
    statement = f"SELECT md5(string_agg(t::text, ';' ORDER BY t.code)) FROM {table} t"  # noqa: S608
    row = connection.execute(statement.encode()).fetchone()
    return str(row[0]) if row else ""


def _broken(connection: _Connection) -> Iterator[str]:
    """References that lead nowhere, whatever the catalogue says about constraints."""
    for table, facts in TABLES.items():
        for column, parent in facts.references:
            key = "code" if parent in _REFERENCE_TABLES else "id"
            statement = (
                f"SELECT count(*) FROM {table} t WHERE t.{column} IS NOT NULL AND NOT EXISTS"  # noqa: S608
                f" (SELECT FROM {parent} p WHERE p.{key} = t.{column})"
            )
            row = connection.execute(statement.encode()).fetchone()
            if row and row[0]:
                yield f"{row[0]} rows of {table}.{column} refer to no row of {parent}"


def compare_rows(
    before: Rows, members: frozenset[int], home: Rows, others: dict[str, Rows]
) -> list[str]:
    """Everything wrong at home and on the other sites. before: the primary's rows as they were;
    others: each other site's rows now."""
    problems = [*_home_problems(before, members, home)]
    for site, after in others.items():
        problems.extend(f"{site}: {problem}" for problem in _left(before, members, after))
    return problems


def _home_problems(before: Rows, members: frozenset[int], home: Rows) -> Iterator[str]:
    yield from (f"home: {problem}" for problem in _frame(before, home))
    for table, old in before.tables.items():
        new = home.tables[table]
        mine = {key for key, row in old.items() if row.owner in members}
        yield from _some(f"home: {table}: members' rows missing", mine - new.keys())
        changed = (key for key in mine & new.keys() if not _same(old[key], new[key]))
        yield from _some(f"home: {table}: members' rows differ", changed)
        guests = new.keys() - mine
        yield from _some(f"home: {table}: rows from nowhere", guests - old.keys())
        guests &= old.keys()
        exposed = (key for key in guests if not _is_projection(old[key], new[key]))
        yield from _some(f"home: {table}: non-members' protected values", exposed)
        idle = guests - set(home.referred_to.get(table, ()))
        yield from _some(f"home: {table}: non-members' rows that nothing refers to", idle)


def _left(before: Rows, members: frozenset[int], after: Rows) -> Iterator[str]:
    yield from _frame(before, after)
    for table, old in before.tables.items():
        new = after.tables[table]
        theirs = {key for key, row in old.items() if row.owner not in members}
        yield from _some(f"{table}: others' rows are gone", theirs - new.keys())
        changed = (key for key in theirs & new.keys() if not _same(old[key], new[key]))
        yield from _some(f"{table}: others' rows changed", changed)
        kept = new.keys() - theirs
        yield from _some(f"{table}: rows from nowhere", kept - old.keys())
        kept &= old.keys()
        exposed = (key for key in kept if not _is_projection(old[key], new[key]))
        yield from _some(f"{table}: members' protected values remain", exposed)
        idle = kept - set(after.referred_to.get(table, ()))
        yield from _some(f"{table}: members' rows that nothing refers to", idle)


def _same(old: Row, new: Row) -> bool:
    return (old.whole, old.count) == (new.whole, new.count)


def _is_projection(old: Row, new: Row) -> bool:
    return new.is_bare and bool(new.public) and old.public == new.public


def _frame(before: Rows, after: Rows) -> Iterator[str]:
    yield from after.broken_references
    lost = set(before.constraints) - set(after.constraints)
    yield from (f"constraint is missing: {constraint}" for constraint in sorted(lost))
    if before.reference_tables != after.reference_tables:
        yield "reference tables (countries, languages) differ"


def _some(what: str, keys: Iterable[str]) -> Iterator[str]:
    found = sorted(keys)
    if found:
        yield f"{what}: {len(found)}, such as {', '.join(found[:_SHOWN])}"
