"""Proving rows: both sides are read again, under fresh snapshots, and compared.

Equal streams of ordered rows have equal SHA-256. Where they differ, every row of the site must
still be at home, as often as it is there: home may hold more (from an earlier run), never less.
A copy brings home up to date first: what is different then, home changed or had before.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import psycopg
import pyarrow as pa
from psycopg import sql

from domicile.inventory import Workplace
from domicile.move.merge import still_shared
from domicile.move.plan import Plan, RowShard
from domicile.move.queries import (
    EVERY_ROW,
    in_order,
    member_rows,
    projected_rows,
    shared_rows,
    whole_rows,
)
from domicile.move.rows import (
    KEYS_TABLE,
    RowSession,
    large_object_columns,
    load_keys,
    table_rules,
)
from domicile.sites.postgres import (
    CopyResult,
    TableName,
    copy_format,
    digest,
    digest_large_object,
    large_objects_in,
    site_errors,
)

__all__ = ["ROW_PROOF", "ahead_of_home", "prove_rows", "shard_digest", "site_digest"]

_CANCEL_S = 5
ROW_PROOF = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("schema", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of the site's ordered rows
        pa.field("home_rows", pa.int64(), nullable=False),
        pa.field("home_sha256", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),  # verified or failed
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""One row per site whose copy of the shard was compared with home's."""


def prove_rows(here: Workplace, plan: Plan, shard: RowShard) -> list[dict[str, object]]:
    """Compare the shard on every database of its route away from home (projections and whole
    tables: the source alone) with home. A site without the table, or without rows of the shard,
    has nothing to prove and is left out unless it is the source."""
    proofs: list[dict[str, object]] = []
    for site in _sites(plan, shard):
        session = here.session(site, read_only=False)
        if TableName(shard.schema, shard.table) not in session[1].tables:
            continue
        proof = _prove(here, plan, shard, site, session)
        if proof["rows"] or site == shard.source:
            proofs.append(proof)
    return proofs


def _sites(plan: Plan, shard: RowShard) -> list[str]:
    outside = plan.route_of(shard).outside if shard.erasable else {shard.source}
    return [site for site in plan.databases if site in outside]


def _prove(
    here: Workplace, plan: Plan, shard: RowShard, site: str, session: RowSession
) -> dict[str, object]:
    home_site = plan.home_of(shard)
    home = here.session(home_site, read_only=False)
    try:
        there, at_home = _digests(here, (site, session), (home_site, home), shard)
        reason = ""
        if _columns(session, shard) != _columns(home, shard):
            reason = "the table has other columns there than at home"
        elif there.sha256 != at_home.sha256:
            missing = _missing(session, home, shard, site, home_site)
            if missing:
                reason = f"{missing:,} of {there.rows:,} rows are not at home as they are there"
            elif lacking := _lacking_objects(session, home, shard):
                reason = f"{lacking:,} large objects are not at home as they are there"
        if not reason and shard.kind == "members" and (older := _still_shared(home, shard)):
            reason = f"{older:,} rows at home are copies from when others had them too"
    finally:
        for connection in (session[0], home[0]):
            if not connection.closed:
                connection.rollback()
    return {
        "site": site,
        "schema": shard.schema,
        "table": shard.table,
        "rows": there.rows,
        "sha256": there.sha256,
        "home_rows": at_home.rows,
        "home_sha256": at_home.sha256,
        "state": "failed" if reason else "verified",
        "reason": reason,
    }


def _still_shared(home: RowSession, shard: RowShard) -> int:
    """How many of a shard's rows at home were brought while they were shared: no erasure may rest
    on these (see `domicile.move.merge`)."""
    rules = table_rules(home[1], shard)
    if not rules.copies:
        return 0
    row = home[0].execute(still_shared(rules, home[1].key, shard)).fetchone()
    return int(row[0]) if row else 0


def _digests(
    here: Workplace,
    away: tuple[str, RowSession],
    home: tuple[str, RowSession],
    shard: RowShard,
) -> tuple[CopyResult, CopyResult]:
    """The shard's digests at a site and at home, both read at once."""
    (site, session), (home_site, at_home) = away, home

    def read_site() -> CopyResult:
        with site_errors(site):
            return _digest(here, session, shard)

    with ThreadPoolExecutor(1, "domicile-site") as beside:
        reading = beside.submit(read_site)
        try:
            with site_errors(home_site):
                found = _digest(here, at_home, shard, at_home=True)
        except BaseException:
            # What the other side finds is of no use any more. Its session ends with it: a cancel
            # that comes late would strike the next shard.
            with suppress(psycopg.Error):
                session[0].cancel_safe(timeout=_CANCEL_S)
            beside.shutdown()
            session[0].close()
            raise
        return reading.result(), found


def site_digest(session: RowSession, shard: RowShard, *, at_home: bool = False) -> CopyResult:
    """The digest of a shard's rows on one site, in the session's transaction (which must have
    loaded the keys of a shard by keys): what verification wrote down, if nothing changed."""
    table = table_rules(session[1], shard).table
    rows = in_order(_query(session, shard, at_home=at_home), table)
    found = digest(session[0], rows, copy_format(table.columns))
    objects = _large_objects(session, shard, at_home=at_home)
    if not objects:
        return found
    seen = hashlib.sha256(found.sha256.encode())
    for oid, contents in sorted(objects.items()):
        seen.update(f"{oid} {contents}\n".encode())
    return replace(found, sha256=seen.hexdigest())


def _large_objects(
    session: RowSession, shard: RowShard, *, at_home: bool = False
) -> dict[int, str]:
    """The digests of what a shard's rows refer to, by oid."""
    names = large_object_columns(table_rules(session[1], shard), shard)
    if not names:
        return {}
    found = large_objects_in(session[0], _query(session, shard, at_home=at_home), names)
    return {oid: digest_large_object(session[0], oid) for oid in found}


def _digest(
    here: Workplace, session: RowSession, shard: RowShard, *, at_home: bool = False
) -> CopyResult:
    session[0].execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if shard.by_keys:
        load_keys(here, session, shard)
    return site_digest(session, shard, at_home=at_home)


def _query(session: RowSession, shard: RowShard, *, at_home: bool = False) -> sql.Composed:
    """What is compared. Members' bare rows may be full at home."""
    rules = table_rules(session[1], shard)
    where: sql.Composable = EVERY_ROW
    if shard.kind == "bare" and not at_home:
        where = rules.bare(session[1].key, "t")
    if shard.kind == "members":
        return member_rows(rules, session[1].key, shard, rules.table.columns)
    if shard.kind == "shared":
        where = EVERY_ROW if at_home else rules.shared(session[1].key, "t")
        return shared_rows(rules, KEYS_TABLE, rules.table.columns, where)
    columns = rules.table.stored_columns
    if shard.by_keys:
        return projected_rows(rules, KEYS_TABLE, columns, only_kept=True, where=where)
    return whole_rows(rules, columns)


def shard_digest(here: Workplace, shard: RowShard, site: str, *, at_home: bool) -> CopyResult:
    """A shard's rows at a site as they are now, under a snapshot of their own. Raises SiteError."""
    session = here.session(site, read_only=False)
    try:
        with site_errors(site):
            return _digest(here, session, shard, at_home=at_home)
    finally:
        session[0].rollback()


def ahead_of_home(
    here: Workplace, plan: Plan, shard: RowShard, site: str
) -> tuple[CopyResult, int]:
    """A shard's rows at a site as they are now, and how many of them home does not hold as they
    are there. Raises SiteError."""
    home_site = plan.home_of(shard)
    session = here.session(site, read_only=False)
    home = here.session(home_site, read_only=False)
    try:
        with site_errors(site):
            there = _digest(here, session, shard)
        with site_errors(home_site):
            _digest(here, home, shard, at_home=True)
        if not there.rows:
            return there, 0
        missing = _missing(session, home, shard, site, home_site)
        lacking = missing or _lacking_objects(session, home, shard)
        return there, min(lacking, there.rows)
    finally:
        session[0].rollback()
        home[0].rollback()


def _columns(session: RowSession, shard: RowShard) -> list[tuple[str, str]]:
    return [(c.name, c.type) for c in table_rules(session[1], shard).table.columns]


def _lacking_objects(session: RowSession, home: RowSession, shard: RowShard) -> int:
    """How many large objects of the site's rows home does not hold as they are there."""
    at_home = _large_objects(home, shard, at_home=True)
    there = _large_objects(session, shard)
    return sum(at_home.get(oid) != contents for oid, contents in there.items())


def _missing(
    session: RowSession, home: RowSession, shard: RowShard, site: str, home_site: str
) -> int:
    """How many of the site's rows home does not hold, counting repeated ones."""
    # Not `r::text`: where a column is called r, that is the column.
    hashed = sql.SQL(
        "SELECT encode(sha256(convert_to(ROW(r.*)::text, 'UTF8')), 'hex') FROM ({}) AS r"
    )
    staged = sql.SQL("COPY ({}) TO STDOUT").format(hashed.format(_query(session, shard)))
    with site_errors(home_site):
        home[0].execute("CREATE TEMP TABLE domicile_rows (hash text) ON COMMIT DROP")
    with (
        site_errors(site),
        session[0].cursor() as reading,
        home[0].cursor() as writing,
        reading.copy(staged) as out,
        writing.copy("COPY pg_temp.domicile_rows FROM STDIN") as into,
    ):
        for chunk in out:
            into.write(chunk)
    with site_errors(home_site):
        row = (
            home[0]
            .execute(
                sql.SQL(
                    "SELECT coalesce(sum(greatest(s.n - coalesce(h.n, 0), 0)), 0) FROM"
                    " (SELECT hash, count(*) AS n FROM pg_temp.domicile_rows GROUP BY hash) AS s"
                    " LEFT JOIN (SELECT hash, count(*) AS n FROM ({}) AS q(hash) GROUP BY hash)"
                    " AS h USING (hash)"
                ).format(hashed.format(_query(home, shard, at_home=True)))
            )
            .fetchone()
        )
    return int(row[0]) if row else 0
