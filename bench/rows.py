"""Rows, PostgreSQL 15 to 18: copying and proving members' rows, against text pipes of psql."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.measure import Command, Ratios, timed
from bench.objects import domicile
from bench.services import DEBIAN_15, Database

__all__ = ["ROWS", "Figures", "RowWorld", "generate", "measure", "ours", "versions"]

USERS, ORDERS, LINES = 20_000, 200_000, 900_000
ROWS = (USERS + ORDERS + LINES) // 2
"""Rows of members: every other person is one."""

_WORLD = f"""
CREATE TABLE users (id bigint PRIMARY KEY, country text NOT NULL, email text, born date);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, placed timestamptz,
    total numeric(12, 2), note text);
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint NOT NULL, item text, amount integer,
    seen timestamptz, price double precision);
INSERT INTO users SELECT n, CASE n % 2 WHEN 0 THEN 'US' ELSE 'SG' END, md5(n::text) || '@example',
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
members = ["US"]
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
    """What the pairs said for some number of workers, each over the pipes' whole time."""

    workers: int
    moving: Ratios = field(default_factory=Ratios)
    verifying: Ratios = field(default_factory=Ratios)
    both: Ratios = field(default_factory=Ratios)


@dataclass(frozen=True)
class RowWorld:
    """A filled source and a server for homes."""

    source: str
    homes: Database
    directory: Path

    def charter(self, home: str) -> Path:
        """A new charter with this database as home, scanned and planned."""
        directory = self.directory / home.split("?", 1)[0].rsplit("/", 1)[1]
        directory.mkdir(parents=True)
        path = directory / "domicile.toml"
        path.write_text(_CHARTER.format(away=self.source, home=home))
        for step in ("scan", "plan"):
            domicile(step, path, {}, allowed=(0, 1))
        return path


def generate(source: Database, homes: Database, directory: Path) -> RowWorld:
    """Fill a database with a million rows and more, half of them members'."""
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


def theirs(world: RowWorld, home: str) -> Command:
    """The same end by hand: schema, a text pipe per table, indexes and constraints, statistics."""
    script = world.directory / "pipes.sh"
    psql, dump = f"{DEBIAN_15}/psql -X -q -v ON_ERROR_STOP=1", f"{DEBIAN_15}/pg_dump"
    lines = [
        "set -euo pipefail",
        f"{dump} -s --section=pre-data '{world.source}' | {psql} '{home}'",
    ]
    lines += [
        f"{psql} '{world.source}' -c \"COPY ({subset}) TO STDOUT\""
        f" | {psql} '{home}' -c 'COPY {table} FROM STDIN'"
        for table, subset in _SUBSETS.items()
    ]
    lines += [f"{dump} -s --section=post-data '{world.source}' | {psql} '{home}'"]
    lines += [f"{psql} '{home}' -c ANALYZE"]
    script.write_text("\n".join(lines))
    return timed(["bash", script], {})


def measure(world: RowWorld, pairs: int) -> list[Figures]:
    """Run one worker, two workers and the pipes in turns, every run into a fresh database."""
    figures = [Figures(1), Figures(2)]
    for _ in range(pairs):
        runs = [_ours(world, each.workers) for each in figures]
        home = world.homes.fresh()
        pipes = theirs(world, home).seconds
        world.homes.drop(home)
        for each, (moved, verified) in zip(figures, runs, strict=True):
            each.moving.add(moved, pipes)
            each.verifying.add(verified, pipes)
            each.both.add(moved + verified, pipes)
            print(f"  rows, {each.workers} workers: {each.both.values[-1]:.2f}", flush=True)
    return figures


def _ours(world: RowWorld, workers: int) -> tuple[float, float]:
    home = world.homes.fresh()
    charter = world.charter(home)
    moved, verified = ours(charter, "move", workers), ours(charter, "verify", workers)
    world.homes.drop(home)
    shutil.rmtree(charter.parent)
    return moved.seconds, verified.seconds


def versions() -> str:
    """The peer's version."""
    return subprocess.run(
        [DEBIAN_15 / "psql", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
