"""Postgres' errors as ours: by SQLSTATE, in words that hold no row's content.

A server's DETAIL, CONTEXT and the messages of data errors may quote values of rows; only messages
about connections, privileges, resources and names are passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from domicile.errors import SiteError, SiteMissing, SiteRefused, SiteUnreachable

__all__ = ["connection_failure", "site_errors", "site_failure"]

# libpq prints what the server says as "SEVERITY:  message"; its own words have no severity.
_SERVER_SAID = re.compile(r"(?:^|: )(?P<severity>\S+):  (?P<message>.*)", re.DOTALL)
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_BUSY = re.compile(r"starting up|shutting down|not yet accepting|recovery mode|too many|reserved")
_CLIENT_REFUSED = re.compile(r"password|SSL|certificate|SCRAM|authentication|GSS", re.IGNORECASE)

_NO_TLS = re.compile(r"SSL was required|no encryption|does not support SSL")

_MISSING = {"3D000", "3F000", "42P01", "42703", "42883", "42704"}
_REFUSED_CLASSES = {"28", "53", "25", "54"}
_REFUSED = {"42501", "0A000"}
_RETRY = {"55P03", "55006", "53300", "57014"}
_RETRY_CLASSES = {"08", "40", "57", "58"}
_QUOTABLE_CLASSES = {"08", "28", "3D", "3F", "40", "42", "53", "54", "57", "58", "25", "0A", "55"}


@contextmanager
def site_errors(name: str) -> Iterator[None]:
    """Turn every psycopg error inside into a `SiteError` that names the site.

    The original is not chained: its text may hold values of rows.
    """
    try:
        yield
    except psycopg.Error as error:
        raise site_failure(name, error) from None


def site_failure(name: str, error: psycopg.Error) -> SiteError:
    """The `SiteError` for an error of a connection that had been established."""
    state = error.sqlstate
    if state is None:
        return _without_state(name, error)
    said = _described(error, state)
    if state in _MISSING:
        return SiteMissing(
            f"site {name}: {said}",
            expected="the database, schemas, tables and columns that were named",
            next_step="compare the charter with the database",
        )
    if state in _RETRY or state[:2] in _RETRY_CLASSES:
        return SiteUnreachable(f"site {name}: {said}", next_step="try again")
    if state in _REFUSED or state[:2] in _REFUSED_CLASSES:
        return SiteRefused(f"site {name}: {said}", next_step=_refusal_step(state))
    return SiteError(f"site {name}: {said}", expected="a statement that the server accepts")


def connection_failure(name: str, error: psycopg.Error, password: str | None) -> SiteError:
    """The `SiteError` for a connection that was not established.

    password names where the password comes from (a variable or file), None for nowhere. libpq
    gives no SQLSTATE here, so the server's words decide; servers that speak another language
    than English end in `SiteRefused` with their own words.
    """
    text = _last_attempt(str(error))
    said = _SERVER_SAID.search(text)
    if said is None and _NO_TLS.search(text):
        return SiteRefused(
            f"site {name}: {text}",
            expected="an encrypted connection to a server that is not on this machine",
            next_step="turn TLS on there; ?sslmode=disable in the url goes without it",
        )
    if said is None:
        if _CLIENT_REFUSED.search(text):
            return _login_refused(name, text, password)
        return SiteUnreachable(
            f"site {name}: {text}",
            expected="a PostgreSQL server that answers",
            next_step="check the site's url, and that the server runs and can be reached",
        )
    message = said["message"].strip()
    if _NO_DATABASE.search(message):
        return SiteMissing(
            f"site {name}: {message}",
            expected="an existing database",
            next_step="check the site's url",
        )
    if _BUSY.search(message):
        return SiteUnreachable(f"site {name}: {message}", next_step="try again")
    return _login_refused(name, message, password)


def _without_state(name: str, error: psycopg.Error) -> SiteError:
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return SiteUnreachable(
            f"site {name}: the connection was lost",
            expected="a server that keeps the connection",
            next_step="try again; the server's log tells why it ended",
        )
    return SiteError(f"site {name}: {type(error).__name__} in the driver")


def _described(error: psycopg.Error, state: str) -> str:
    diag = error.diag
    if state[:2] in _QUOTABLE_CLASSES:
        return f"{diag.message_primary or type(error).__name__} (SQLSTATE {state})"
    table = f"{diag.schema_name}.{diag.table_name}" if diag.table_name else None
    places = {"table": table, "column": diag.column_name, "constraint": diag.constraint_name}
    where = "".join(f", {kind} {place}" for kind, place in places.items() if place)
    return f"{type(error).__name__} (SQLSTATE {state}){where}"


def _refusal_step(state: str) -> str:
    if state == "53100":
        return "free disk space on the server, then run the command again"
    if state == "42501":
        return "grant the site's user what is missing"
    return "change what the server refuses, then run the command again"


def _login_refused(name: str, message: str, password: str | None) -> SiteRefused:
    step = (
        f"check the user in the site's url and the password in {password}"
        if password
        else "name the password's place with `password_env` or `password_file`"
    )
    return SiteRefused(f"site {name}: {message}", expected="a login", next_step=step)


def _last_attempt(text: str) -> str:
    """The last of libpq's attempts (it tries every address), without its multi-line hints."""
    lines = [line.strip(" -") for line in text.splitlines() if line.strip()]
    attempts = [line for line in lines if "failed:" in line]
    return (attempts or lines or ["no connection"])[-1].removeprefix("connection failed: ")
