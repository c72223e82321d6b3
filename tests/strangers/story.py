"""Running Domicile on two databases as its user does, and reading them without it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from domicile.sites.postgres import PostgresSite
from tests.services.postgres import PASSWORD_VARIABLE, PostgresServer, fresh_database
from tests.story.forking import forker
from tests.story.stage import group_ended
from tests.story.struck.sitecustomize import VARIABLE

ROOT = Path(__file__).parent.parent.parent
_STRUCK = ROOT / "tests" / "story" / "struck"
CHINOOK = ROOT / "tests" / "data" / "chinook.sql"

_WITH_WORKERS = ("scan", "move", "verify", "erase")


Rows = Counter[str]
"""A table's rows as PostgreSQL prints them, with how often each is there."""


@dataclass(frozen=True)
class Place:
    """A database and what its password is. variable: the environment variable for it."""

    server: PostgresServer
    database: str
    variable: str

    def table(self, site: str, provider: str, country: str = "US") -> str:
        """Its ``[sites.*]`` in a charter."""
        host = quote(self.server.host, safe="")
        url = f"postgresql://postgres@/{self.database}?host={host}&port={self.server.port}"
        secret = f'password_env = "{self.variable}"\n' if self.server.password else ""
        return (
            f'[sites.{site}]\nkind = "postgres"\nurl = "{url}"\ncountry = "{country}"\n'
            f'provider = "{provider}"\n{secret}\n'
        )

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A session under the settings that values are compared under."""
        with psycopg.connect(
            host=self.server.host,
            port=self.server.port,
            user="postgres",
            password=self.server.password,
            dbname=self.database,
            options="-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres"
            " -c extra_float_digits=3 -c search_path=",
        ) as connection:
            yield connection

    def rows(self, query: str) -> Rows:
        """What a query gives, each row as text."""
        with self.connect() as connection:
            # Not as a parameterised statement: queries hold per cent signs.
            found = connection.execute(f"SELECT q::text FROM ({query}) AS q".encode())
            return Counter(str(row[0]) for row in found)

    def tables(self) -> dict[str, Rows]:
        """Every row of every table but Domicile's own, by the table's quoted name."""
        with self.connect() as connection:
            names = connection.execute(
                "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c"
                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
                " AND n.nspname !~ '^(pg_|information_schema$|domicile$)' ORDER BY 1"
            ).fetchall()
        return {str(name): self.rows(f"SELECT * FROM {name}") for (name,) in names}

    def broken_foreign_keys(self) -> list[str]:
        """Foreign keys that are not validated, or that some row breaks: every one is dropped and
        added again, in a transaction that is rolled back."""
        with self.connect() as connection:
            keys = connection.execute(
                "SELECT conrelid::pg_catalog.regclass::text, pg_catalog.quote_ident(conname),"
                " pg_catalog.pg_get_constraintdef(oid), convalidated"
                " FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0"
            ).fetchall()
            broken = [f"{table} {name}" for table, name, _, valid in keys if not valid]
            for table, name, definition, _ in keys:
                again = (
                    f"ALTER TABLE {table} DROP CONSTRAINT {name},"
                    f" ADD CONSTRAINT {name} {definition}"
                )
                try:
                    connection.execute(again.encode())
                except psycopg.errors.ForeignKeyViolation as error:
                    broken.append(str(error))
                connection.rollback()
        return broken

    def foreign_keys(self) -> set[tuple[str, str, str]]:
        """Table, name and definition of every foreign key."""
        with self.connect() as connection:
            return {
                (str(table), str(name), str(definition))
                for table, name, definition in connection.execute(
                    "SELECT conrelid::pg_catalog.regclass::text, conname,"
                    " pg_catalog.pg_get_constraintdef(oid)"
                    " FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0"
                )
            }

    def next_numbers(self, count: int = 5) -> dict[str, set[int]]:
        """The next values that every sequence gives out. They are used up."""
        with self.connect() as connection:
            names = connection.execute(
                "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c"
                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind = 'S' AND n.nspname <> 'domicile'"
            ).fetchall()
            return {
                str(name): {
                    int(row[0])
                    for row in connection.execute(
                        "SELECT pg_catalog.nextval(%s::pg_catalog.regclass)"
                        " FROM pg_catalog.generate_series(1, %s)",
                        (name, count),
                    )
                }
                for (name,) in names
            }


@dataclass(frozen=True)
class Story:
    """A charter in a directory, and the two databases that it names. workers: None for as many as
    the machine has cores."""

    directory: Path
    source: Place
    home: Place
    workers: int | None = None

    def write_charter(self, rest: str, *, source: str, home: str, home_provider: str) -> None:
        """The charter: ``rest`` and the two sites."""
        text = (
            rest
            + "\n"
            + self.source.table(source, "company")
            + self.home.table(home, home_provider)
        )
        (self.directory / "domicile.toml").write_text(text, encoding="utf-8")

    def run(self, *words: str, expected: int = 0) -> str:
        """Run one command and insist on its exit code. Returns what it printed."""
        return self._run(words, expected).stdout

    def complaint(self, *words: str, expected: int) -> str:
        """As `run`, for a command that fails as a whole. Returns its error."""
        return self._run(words, expected).stderr

    def _run(self, words: tuple[str, ...], expected: int) -> subprocess.CompletedProcess[str]:
        if self.workers is not None and words[0] in _WITH_WORKERS:
            words = (*words, "--workers", str(self.workers))
        code, out, err = forker().run(words, self.environ, self.directory)
        said = f"domicile {' '.join(words)}: {code}\n{out}\n{err}"
        assert code == expected, said
        return subprocess.CompletedProcess(words, code, out, err)

    def struck(self, nth: int, delay_s: float, *words: str) -> bool:
        """Run a command whose process group is killed just before its nth change to the charter's
        directory, or a moment later (see `tests.story.struck.sitecustomize`); whether that came."""
        counter = self.directory.with_name(f"{self.directory.name}-changes")
        counter.unlink(missing_ok=True)
        strike = f"{nth}:{delay_s}:{signal.SIGKILL:d}:{counter}:{self.directory}"
        path = os.pathsep.join((str(_STRUCK), self.environ["PYTHONPATH"]))
        return _was_killed(self._start(*words, PYTHONPATH=path, **{VARIABLE: strike}))

    def killed_waiting_for(self, relation: str, *words: str) -> bool:
        """Run a command whose process group is killed while it waits to have a relation of the
        source's for itself, as `VACUUM FULL` and `REFRESH` must; what the server was asked for it
        does all the same, a moment later. Whether it ever waited."""
        with self.source.connect() as reading, self.source.connect() as watching:
            reading.execute(f"SELECT FROM {relation} LIMIT 0".encode())
            watching.autocommit = True
            process = self._start(*words)
            waits = "SELECT FROM pg_catalog.pg_locks WHERE NOT granted AND database ="
            waits += " (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
            while process.poll() is None:
                if watching.execute(waits.encode()).fetchall():
                    os.killpg(process.pid, signal.SIGKILL)
                    break
                time.sleep(0.005)
            return _was_killed(process)

    def _start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "domicile", *words],
            cwd=self.directory,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def environ(self) -> dict[str, str]:
        """The commands' environment: nothing but what the charter names, and where we are."""
        passwords = {place.variable: place.server.password for place in (self.source, self.home)}
        path = os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))
        return {
            **os.environ,
            **passwords,
            "PYTHONPATH": path,
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
        }

    def bring_home(self, source: str, *, unexamined: bool = False) -> None:
        """The whole story, from the first scan to the last."""
        self.run("scan", expected=1)
        self.run("plan")
        self.run("move")
        self.run("verify")
        self.run("erase", "--site", source, "--confirm", source, expected=int(unexamined))
        self.run("scan", expected=int(unexamined))
        self.run("ledger", "verify")


def _was_killed(process: subprocess.Popen[str]) -> bool:
    said, _ = process.communicate(timeout=120)
    assert group_ended(process.pid)
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


def empty_place(server: PostgresServer, variable: str) -> Place:
    """A new, empty database."""
    return Place(server, database_of(fresh_database(server)), variable)


def database_of(site: PostgresSite) -> str:
    """The database's name, from its site."""
    match = re.match(r"postgresql://postgres@/([^?]+)", site.config.url)
    assert match is not None
    return match[1]


def chinook_statements() -> str:
    """Chinook's script from where it has made and entered its database."""
    return CHINOOK.read_text(encoding="utf-8").partition("\\c chinook_serial;")[2]


def new_story(
    directory: Path,
    source: PostgresServer,
    home: PostgresServer,
    statements: str,
    workers: int | None = None,
) -> Story:
    """A source that these statements made, and an empty home."""
    story = Story(
        directory,
        empty_place(source, f"SOURCE_{PASSWORD_VARIABLE}"),
        empty_place(home, f"HOME_{PASSWORD_VARIABLE}"),
        workers,
    )
    with story.source.connect() as connection:
        connection.execute("SELECT pg_catalog.set_config('search_path', 'public', false)")
        connection.execute(statements.encode())
    return story


def differences(expected: Mapping[str, Rows], found: Mapping[str, Rows]) -> list[str]:
    """In words: rows that are missing, and rows that are too many, by table."""
    words = []
    for table in sorted({*expected, *found}):
        wanted, there = expected.get(table, Counter()), found.get(table, Counter())
        words += [f"{table} lacks {n} x {row}" for row, n in (wanted - there).items()]
        words += [f"{table} has too many {n} x {row}" for row, n in (there - wanted).items()]
    return words


def quoted(name: str) -> str:
    """An identifier as SQL."""
    return sql.Identifier(name).as_string()
