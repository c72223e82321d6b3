"""A Postgres site: where it is, how to log in, and sessions that read alike on every server.

Invariants of every session:
- its text output depends on nothing that a server, role or database has configured;
- it sees every row or fails: row-level security raises an error instead of hiding rows;
- names without a schema mean the system catalogue, so SQL must name schemas;
- it is the server's own session: a pooler, which may hand it to others, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from domicile.charter.model import PostgresSiteConfig
from domicile.errors import CharterError, SiteRefused
from domicile.sites.postgres.failures import connection_failure, site_errors
from domicile.sites.postgres.foreign import LOOPBACK
from domicile.sites.postgres.model import Address

__all__ = ["Connection", "PostgresSite", "open_postgres_site", "site_name"]

Connection = psycopg.Connection[TupleRow]

APPLICATION = "domicile"

# Parameters of libpq, where the charter's url does not say otherwise. A dead peer is noticed
# within about a minute.
_CONNECTION_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key")

# (setting, value, first server version that knows it)
_SESSION: tuple[tuple[str, str, int], ...] = (
    ("DateStyle", "ISO, YMD", 0),
    ("IntervalStyle", "postgres", 0),
    ("TimeZone", "UTC", 0),
    ("extra_float_digits", "3", 0),
    ("bytea_output", "hex", 0),
    ("xmlbinary", "base64", 0),
    ("xmloption", "content", 0),
    ("lc_monetary", "C", 0),
    ("lc_numeric", "C", 0),
    ("lc_time", "C", 0),
    ("array_nulls", "on", 0),
    ("quote_all_identifiers", "off", 0),
    ("standard_conforming_strings", "on", 0),
    ("search_path", "pg_catalog, pg_temp", 0),
    ("row_security", "off", 0),
    ("default_transaction_isolation", "read committed", 0),
    ("default_transaction_deferrable", "off", 0),
    ("synchronous_commit", "on", 0),
    ("statement_timeout", "0", 0),
    ("lock_timeout", "0", 0),
    ("idle_in_transaction_session_timeout", "0", 0),
    ("idle_session_timeout", "0", 140000),
    ("transaction_timeout", "0", 170000),
)


class _SiteConnection(psycopg.Connection[TupleRow]):
    """A session that knows its site's name."""

    site = ""

    def rollback(self) -> None:
        """End the transaction. Where the connection was lost, the server has done so: what broke
        it is the error to report, not this."""
        try:
            super().rollback()
        except psycopg.OperationalError:
            if not self.closed:
                raise


class PostgresSite:
    """One database that the charter names.

    config.url holds no password; it is read from environ or a file (relative to base) at every
    connect, so that a rotated password is picked up. Raises `CharterError` where the url is none.
    """

    def __init__(
        self, name: str, config: PostgresSiteConfig, base: Path, environ: Mapping[str, str]
    ) -> None:
        self.name = name
        self.config = config
        self._base = base
        self._environ = environ
        self._parameters = _url_parameters(name, config.url)

    def __repr__(self) -> str:
        return f"PostgresSite({self.name!r})"

    def connect(self, *, read_only: bool = False, application: str = APPLICATION) -> Connection:
        """Open a session with pinned settings, outside any transaction, autocommit off.

        read_only makes the server refuse writes in every transaction of the session. Raises
        `SiteUnreachable`, `SiteRefused`, `SiteMissing`.
        """
        parameters = self.libpq_parameters() | {"application_name": application}
        try:
            connection = _SiteConnection.connect(
                make_conninfo(**parameters), autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as error:
            raise connection_failure(self.name, error, self._password_place()) from None
        connection.site = self.name
        try:
            self._pin(connection, "on" if read_only else "off")
        except BaseException:
            connection.close()
            raise
        return connection

    def libpq_parameters(self) -> dict[str, str]:
        """What libpq needs, the password among it: for connections and children's environments,
        never for an argument list or a message."""
        # An empty password keeps libpq from sending another site's PGPASSWORD here.
        return {
            **_CONNECTION_DEFAULTS,
            "sslmode": _default_sslmode(self._parameters.get("host") or self._default_host()),
            **self._parameters,
            "client_encoding": "UTF8",
            "password": self._password() or "",
        }

    @property
    def address(self) -> Address | None:
        """Where the url leads; None where it leads to several places or doesn't say."""
        host = self._parameters.get("host") or self._default_host()
        port = self._parameters.get("port") or self._environ.get("PGPORT") or "5432"
        database = self._parameters.get("dbname", "")
        if "," in host + port or not database or "service" in self._parameters:
            return None
        return Address(host, port, database)

    def _default_host(self) -> str:
        """Where libpq goes when the url names no host."""
        return self._environ.get("PGHOST", "")

    def check(self, *, write: bool) -> None:
        """Log in and read; with ``write`` also prove, in a transaction that is rolled back, that
        a schema can be created. Raises a SiteError that says what is wrong."""
        with self.connect(read_only=not write) as connection, site_errors(self.name):
            if write:
                self._check_write(connection)
            else:
                connection.execute("SELECT 1 FROM pg_catalog.pg_class LIMIT 1")
            connection.rollback()

    def is_standby(self) -> bool:
        """Whether the server is in recovery now, and takes no writes. Raises SiteError."""
        with self.connect(read_only=True) as connection, site_errors(self.name):
            return _in_recovery(connection)

    def _check_write(self, connection: Connection) -> None:
        if _in_recovery(connection):
            raise SiteRefused(
                f"site {self.name}: the server is a standby and takes no writes",
                expected="a primary server",
                next_step="name the primary in the site's url",
            )
        connection.execute("CREATE SCHEMA domicile_check")

    def _pin(self, connection: Connection, read_only: str) -> None:
        version = connection.info.server_version
        settings = [(key, value) for key, value, since in _SESSION if 0 <= since <= version]
        settings.append(("default_transaction_read_only", read_only))
        with site_errors(self.name):
            # One message, one round trip. set_config takes lists (search_path) as one string. A
            # pooler's session is somebody else's next: nothing is set there.
            own = sql.Literal(connection.info.backend_pid)
            calls = sql.SQL(", ").join(
                sql.SQL(
                    "CASE pg_catalog.pg_backend_pid() WHEN {} THEN"
                    " pg_catalog.set_config({}, {}, false) END"
                ).format(own, key, value)
                for key, value in settings
            )
            answer = sql.SQL("SELECT pg_catalog.pg_backend_pid(), ") + calls
            row = connection.execute(answer).fetchone()
            connection.autocommit = False
        if row is not None and row[0] != connection.info.backend_pid:
            raise SiteRefused(
                f"site {self.name}: not the server itself answers but a connection pooler",
                expected="a session of our own, for settings, temporary tables and snapshots",
                next_step="name the server's own host and port in the site's url",
            )

    def _password_place(self) -> str | None:
        if self.config.password_env:
            return f"the environment variable {self.config.password_env}"
        if self.config.password_file:
            return f"the file {self.config.password_file}"
        return None

    def _password(self) -> str | None:
        variable, file = self.config.password_env, self.config.password_file
        if variable:
            if variable not in self._environ:
                raise CharterError(
                    f"site {self.name}: the environment variable {variable} is not set",
                    expected="the database's password in it (`password_env`)",
                    next_step=f"set {variable} and run the command again",
                )
            return self._environ[variable]
        return self._password_from(file) if file else None

    def _password_from(self, file: str) -> str:
        try:
            return (self._base / file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise CharterError(
                f"site {self.name}: the password file {file} cannot be read: {reason}",
                expected="the database's password as the file's one line (`password_file`)",
                next_step="create the file, or correct `password_file`",
            ) from None


def open_postgres_site(
    name: str, config: PostgresSiteConfig, base: Path, environ: Mapping[str, str]
) -> PostgresSite:
    """The site of a charter's ``[sites.<name>]``; base is the charter's directory. Connects to
    nothing yet. Raises `CharterError` where the url cannot be used."""
    return PostgresSite(name, config, base, environ)


def site_name(connection: Connection) -> str:
    """The name of the site that a session belongs to, for errors."""
    return connection.site if isinstance(connection, _SiteConnection) else connection.info.dbname


def _in_recovery(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    return row is None or bool(row[0])


def _url_parameters(name: str, url: str) -> dict[str, str]:
    """The url's parameters, without a password. The url is not repeated in errors: it may hold
    one."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise _bad_url(name, "the url is not a PostgreSQL url")
    try:
        parsed = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        raise _bad_url(name, "the url cannot be parsed") from None
    if any(parsed.pop(secret, "") for secret in _SECRETS):
        raise CharterError(
            f"site {name}: the url holds a password",
            expected="no secret in the charter's text",
            next_step="remove and change it; name its place with `password_env` or `password_file`",
        )
    return parsed


def _default_sslmode(hosts: str) -> str:
    """Rows do not cross a network in the clear unless the url says so."""
    local = all(host in LOOPBACK or host.startswith("/") for host in hosts.split(","))
    return "prefer" if local else "require"


def _bad_url(name: str, failed: str) -> CharterError:
    return CharterError(
        f"site {name}: {failed}",
        expected="postgresql://user@host:port/database",
        next_step="correct the site's `url`; write %2F for a slash in a name",
    )
