"""Rows, Debian's PostgreSQL to the same: copying and proving members' rows, against text pipes of
psql; and a whole database against pgcopydb."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg

import domicile.cli.kinds  # noqa: F401 - every kind of entry
from bench.measure import Command, Ratios, timed
from bench.objects import domicile as command
from bench.services import DEBIAN_15, Database
from domicile.inventory import ledger_directory
from domicile.ledger import decode, read_only
from domicile.move.entries import SchemaMade, ShardCopied

__all__ = [
    "ALL_ROWS",
    "MEMBERS_ROWS",
    "Figures",
    "RowWorld",
    "Whole",
    "generate",
    "measure",
    "measure_whole",
    "ours",
    "pgcopydb",
    "versions",
]

USERS, ORDERS, LINES = 50_000, 450_000, 4_500_000
ALL_ROWS = USERS + ORDERS + LINES
MEMBERS_ROWS = ALL_ROWS * 2 // 5
"""Two persons of five are members."""

_WORLD = f"""
CREATE TABLE users (id bigint PRIMARY KEY, country text NOT NULL, email text, born date);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, placed timestamptz,
    total numeric(12, 2), note text);
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint NOT NULL, item text, amount integer,
    seen timestamptz, price double precision);
INSERT INTO users SELECT n, CASE WHEN n % 5 < 2 THEN 'US' ELSE 'SG' END, md5(n::text) || '@example',
    date '1970-01-01' + n % 12000 FROM generate_series(1, {USERS}) AS n;
INSERT INTO orders SELECT n, 1 + n % {USERS}, timestamptz '2020-01-01' + n * interval '1 min',
    n % 10000 / 7.0, md5(n::text) FROM generate_series(1, {ORDERS}) AS n;
INSERT INTO lines SELECT n, 1 + n % {ORDERS}, md5(n::text), n % 9,
    timestamptz '2020-01-01' + n * interval '1 s', n / 3.0 FROM generate_series(1, {LINES}) AS n;
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE lines ADD FOREIGN KEY (order_id) REFERENCES orders;
CREATE INDEX ON orders (user_id);
CREATE INDEX ON lines (order_id);
"""
_CHARTER = """
[company]
name = "Bench"

[boundaries.us]
members = {members}
custodian = "Custodian"
provider = "Trusted"
home = ["home"]

[people]
table = "users"
key = ["id"]
country = "country"

[sites.away]
kind = "postgres"
country = "SG"
provider = "Bench"
url = "{away}"

[sites.home]
kind = "postgres"
country = "US"
provider = "Trusted"
url = "{home}"
"""
_MEMBERS = "SELECT id FROM users WHERE country = 'US'"
_SUBSETS = {
    "users": "SELECT * FROM users WHERE country = 'US'",
    "orders": f"SELECT * FROM orders WHERE user_id IN ({_MEMBERS})",
    "lines": "SELECT * FROM lines WHERE order_id IN"
    f" (SELECT id FROM orders WHERE user_id IN ({_MEMBERS}))",
}


@dataclass
class Figures:
    """What the pairs said for some number of workers: ours over theirs. copying, bare: without
    keys, indexes, statistics and the making of tables on either side; bare is copying and proving
    over the pipes. moving, verifying, both: all of it, over all of theirs."""

    workers: int
    copying: Ratios = field(default_factory=Ratios)
    bare: Ratios = field(default_factory=Ratios)
    moving: Ratios = field(default_factory=Ratios)
    verifying: Ratios = field(default_factory=Ratios)
    both: Ratios = field(default_factory=Ratios)


@dataclass
class Whole:
    """A whole database, everybody a member: ours over pgcopydb's clone, and over its clone and
    the comparison of both sides."""

    moving: Ratios = field(default_factory=Ratios)
    both: Ratios = field(default_factory=Ratios)


@dataclass(frozen=True)
class Run:
    """Seconds of ours. copy: from home's tables being there to the last shard's copy."""

    copy: float
    move: float
    verify: float


@dataclass(frozen=True)
class RowWorld:
    """A filled source and a server for homes."""

    source: str
    homes: Database
    directory: Path

    def charter(self, home: str, members: str = '["US"]') -> Path:
        """A new charter with this database as home, scanned and planned."""
        directory = self.directory / home.split("?", 1)[0].rsplit("/", 1)[1]
        directory.mkdir(parents=True)
        path = directory / "domicile.toml"
        path.write_text(_CHARTER.format(away=self.source, home=home, members=members))
        for step in ("scan", "plan"):
            command(step, path, {}, allowed=(0, 1))
        return path


def generate(source: Database, homes: Database, directory: Path) -> RowWorld:
    """Fill a database with five million rows."""
    url = source.fresh()
    with psycopg.connect(url) as connection:
        connection.execute(_WORLD.encode())
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    return RowWorld(url, homes, directory)


def ours(charter: Path, step: str, workers: int, *, memory: bool = False) -> Command:
    """One timed command of ours, start-up included."""
    command = [sys.executable, "-m", "domicile", step, "--charter", str(charter)]
    return timed([*command, "--workers", str(workers)], {}, memory=memory)


def theirs(world: RowWorld, home: str) -> tuple[float, float]:
    """The same end by hand: schema, a text pipe per table, indexes and constraints, statistics.
    Seconds of the pipes alone, and of all of it."""
    psql, dump = f"{DEBIAN_15}/psql -X -q -v ON_ERROR_STOP=1", f"{DEBIAN_15}/pg_dump"
    pipes = [
        f"{psql} '{world.source}' -c \"COPY ({subset}) TO STDOUT\""
        f" | {psql} '{home}' -c 'COPY {table} FROM STDIN'"
        for table, subset in _SUBSETS.items()
    ]
    steps = (
        [f"{dump} -s --section=pre-data '{world.source}' | {psql} '{home}'"],
        pipes,
        [
            f"{dump} -s --section=post-data '{world.source}' | {psql} '{home}'",
            f"{psql} '{home}' -c ANALYZE",
        ],
    )
    took = [_script(world, lines) for lines in steps]
    return took[1], sum(took)


def measure(world: RowWorld, pairs: int) -> list[Figures]:
    """Run one worker, two workers and the pipes in turns, every run into a fresh database."""
    figures = [Figures(1), Figures(2)]
    for _ in range(pairs):
        runs = [_ours(world, each.workers) for each in figures]
        home = world.homes.fresh()
        pipes, whole = theirs(world, home)
        world.homes.drop(home)
        for each, run in zip(figures, runs, strict=True):
            each.copying.add(run.copy, pipes)
            each.bare.add(run.copy + run.verify, pipes)
            each.moving.add(run.move, whole)
            each.verifying.add(run.verify, whole)
            each.both.add(run.move + run.verify, whole)
            print(f"  rows, {each.workers} workers: {each.bare.values[-1]:.2f}", flush=True)
    return figures


def measure_whole(world: RowWorld, pairs: int) -> Whole:
    """Run one worker over a database of members alone, and pgcopydb, in turns."""
    found = Whole()
    for _ in range(pairs):
        run = _ours(world, 1, '["US", "SG"]')
        home = world.homes.fresh()
        cloned, compared = pgcopydb(world, home)
        world.homes.drop(home)
        found.moving.add(run.move, cloned)
        found.both.add(run.move + run.verify, cloned + compared)
        print(f"  rows, whole: {found.both.values[-1]:.2f}", flush=True)
    return found


def pgcopydb(world: RowWorld, home: str) -> tuple[float, float]:
    """Seconds of its clone, and of the comparison that its later versions' ``compare data`` makes:
    a count and a sum of hashes of each table on both sides."""
    scratch = world.directory / "pgcopydb"
    command = f"pgcopydb clone --dir {scratch} --source '{world.source}' --target '{home}'"
    cloned = _script(world, [f"{command} --table-jobs 2 --index-jobs 2"])
    shutil.rmtree(scratch)
    compared = _script(
        world,
        [
            f"{DEBIAN_15}/psql -X -q -t '{side}' -c 'SELECT count(*),"
            f" sum(hashtext({table}::text)::bigint) FROM {table}'"
            for table in _SUBSETS
            for side in (world.source, home)
        ],
    )
    return cloned, compared


def _script(world: RowWorld, lines: list[str]) -> float:
    script = world.directory / "script.sh"
    script.write_text("\n".join(["set -euo pipefail", *lines]))
    return timed(["bash", script], {}).seconds


def _ours(world: RowWorld, workers: int, members: str = '["US"]') -> Run:
    home = world.homes.fresh()
    charter = world.charter(home, members)
    moved, verified = ours(charter, "move", workers), ours(charter, "verify", workers)
    copied = _copy_seconds(charter)
    world.homes.drop(home)
    shutil.rmtree(charter.parent)
    return Run(copied, moved.seconds, verified.seconds)


def _copy_seconds(charter: Path) -> float:
    """As the ledger has it."""
    begun, ended = list[datetime](), list[datetime]()
    for _, data in read_only(ledger_directory(charter.parent / ".domicile")).entries():
        entry = decode(data)
        if isinstance(entry.body, SchemaMade) and entry.body.section == "pre-data":
            begun.append(entry.time)
        if isinstance(entry.body, ShardCopied):
            ended.append(entry.time)
    return (max(ended) - min(begun)).total_seconds()


def versions() -> str:
    """The peers' versions."""
    psql = subprocess.run(
        [DEBIAN_15 / "psql", "--version"], capture_output=True, text=True, check=True
    )
    clone = subprocess.run(["pgcopydb", "--version"], capture_output=True, text=True, check=True)
    return f"{psql.stdout.strip()}, {clone.stdout.splitlines()[0]}"
