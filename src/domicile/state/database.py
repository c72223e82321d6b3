"""The one SQL database for what changes. SQLite beside the records by default.

The inventory and the ledger are the evidence: losing this loses no proof. But it holds the wrapped
keys: without it, or a backup of it, nothing opens that lies sealed at home (docs/custody.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from domicile.errors import SiteRefused
from domicile.state.scrubbing import scrub

__all__ = [
    "BOUNDARY_KEYS",
    "CONDEMNED_KEYS",
    "DATA_KEYS",
    "ERASED_PERSONS",
    "ERASED_SUBJECTS",
    "NOTIFIED",
    "NOTIFIED_ENDS",
    "PSEUDONYMS",
    "SHREDS",
    "SHRED_SUBJECTS",
    "WORDS",
    "RunRecord",
    "State",
]

HEAD = "0008"
"""The schema's newest version; a test holds it to the migrations."""

_METADATA = sa.MetaData()
_RUNS = sa.Table(
    "runs",
    _METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("started_at", sa.DateTime, nullable=False),
    sa.Column("charter_sha256", sa.String(64), nullable=False),
    sa.Column("scanned_at", sa.DateTime),
    sa.Column("plan_sha256", sa.String(64)),
)
PSEUDONYMS = sa.Table(
    "pseudonyms",
    _METADATA,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("pseudonym", sa.String(28), nullable=False, unique=True),
    sa.Column("subject", sa.LargeBinary(16), nullable=False, unique=True),
)
"""Custody's: a person's key as the register has it, the name the ledger has for them, and what
their key goes by in stores. Only here do these lead to each other."""
BOUNDARY_KEYS = sa.Table(
    "boundary_keys",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("root_version", sa.BigInteger, nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
)
"""Custody's: the keys of each boundary, each under a version of the root."""
CONDEMNED_KEYS = sa.Table(
    "condemned_keys",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("root_versions", sa.JSON, nullable=False),
    sa.Column("pending_until", sa.String(24)),
)
"""Custody's: the keys of boundaries that are to be destroyed, with the root's versions that could
unwrap them, until their keeper says that these are gone."""
DATA_KEYS = sa.Table(
    "data_keys",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("wrapped", sa.LargeBinary(60), nullable=False),
    sqlite_with_rowid=False,
)
"""Custody's: the key of each person or dataset, under a version of its boundary's key."""
SHREDS = sa.Table(
    "shreds",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("phase", sa.String(12), nullable=False),
    sa.Column("persons", sa.Integer, nullable=False),
    sa.Column("requested_at", sa.String(24), nullable=False),
    sa.Column("waits_s", sa.Integer, nullable=False),
    sa.Column("waited_s", sa.Integer, nullable=False),
    sa.Column("looked", sa.JSON, nullable=False),
    sa.Column("keys_below", sa.Integer),
    sa.Column("unreadable", sa.JSON),
    sa.Column("certificate", sa.Text),
)
"""Custody's: requests to destroy persons' keys, and how far each is."""
SHRED_SUBJECTS = sa.Table(
    "shred_subjects",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sa.Column("shred", sa.String(40), nullable=False),
    sqlite_with_rowid=False,
)
"""Custody's: whose keys are to be destroyed, until they are."""
ERASED_SUBJECTS = sa.Table(
    "erased_subjects",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sqlite_with_rowid=False,
)
"""Custody's: subjects whose keys were destroyed, and under which no key is ever made again."""
ERASED_PERSONS = sa.Table(
    "erased_persons",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sqlite_with_rowid=False,
)
"""Custody's: keyed digests of erased persons, who get no new pseudonym unless re-admitted."""
WORDS = sa.Table(
    "words",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("sha256", sa.LargeBinary(32), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)
"""Policy's: why people asked, and what they answered; the ledger has the digests."""
NOTIFIED = sa.Table(
    "notified",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("next_at", sa.String(24), nullable=False),
)
"""Policy's: up to which entry of the ledger each of the charter's notices was sent; how often in a
row sending failed, and before when it isn't tried again."""
NOTIFIED_ENDS = sa.Table(
    "notified_ends",
    _METADATA,
    sa.Column("boundary", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("request", sa.String(20), primary_key=True),
    sa.Column("until", sa.String(24), primary_key=True),
)
"""Policy's: grants whose coming end was told."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. Times are UTC. plan_sha256 is the digest of the plan in force, if one was made."""

    id: str
    started_at: datetime
    charter_sha256: str
    scanned_at: datetime | None
    plan_sha256: str | None


class State:
    """The state database, migrated to the present schema when opened."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _overwrite_what_is_deleted)
        with _refusals(), self._engine.connect() as connection:
            if _version(connection) != HEAD:
                _migrate(connection)
            connection.commit()

    @classmethod
    def beside(cls, records: Path) -> Self:
        """The SQLite database in the records directory, which only its owner can read."""
        path = records / "state.sqlite"
        try:
            records.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.chmod(0o600)
        except OSError as error:
            raise _refused(error.strerror or type(error).__name__) from error
        return cls(f"sqlite:///{path}")

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction, for the part that a table belongs to: committed at the end."""
        with _refusals(), self._engine.begin() as connection:
            yield connection

    def start_run(self, run: str, started_at: datetime, charter_sha256: str) -> None:
        """Write down a new run."""
        with _refusals(), self._engine.begin() as connection:
            connection.execute(
                _RUNS.insert().values(
                    id=run, started_at=_naive(started_at), charter_sha256=charter_sha256
                )
            )

    def scanned(self, run: str, at: datetime) -> None:
        """The run's scan is complete."""
        self._update(run, scanned_at=_naive(at))

    def planned(self, run: str, plan_sha256: str) -> None:
        """The run has this plan."""
        self._update(run, plan_sha256=plan_sha256)

    def runs(self) -> list[RunRecord]:
        """Every run, newest first."""
        query = _RUNS.select().order_by(_RUNS.c.started_at.desc(), _RUNS.c.id.desc())
        with _refusals(), self._engine.connect() as connection:
            return [
                RunRecord(
                    row.id,
                    row.started_at.replace(tzinfo=UTC),
                    row.charter_sha256,
                    row.scanned_at.replace(tzinfo=UTC) if row.scanned_at else None,
                    row.plan_sha256,
                )
                for row in connection.execute(query)
            ]

    def scrub(self) -> str:
        """See `scrub`: nothing that was deleted is in the database's files any more."""
        with _refusals():
            return scrub(self._engine)

    def close(self) -> None:
        """Release connections."""
        self._engine.dispose()

    def _update(self, run: str, **values: object) -> None:
        with _refusals(), self._engine.begin() as connection:
            connection.execute(_RUNS.update().where(_RUNS.c.id == run).values(**values))


@contextmanager
def _refusals() -> Iterator[None]:
    """The database's errors as ours: a full disk, a file that is none."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if "locked" in str(error.orig):
            raise _locked() from None
        raise _refused(str(error.orig)) from None


def _refused(why: str) -> SiteRefused:
    return SiteRefused(
        f"the state database refused ({why})",
        expected="room and permission in the records directory",
        next_step="make room, then run the same command again",
    )


def _locked() -> SiteRefused:
    return SiteRefused(
        "the state database is locked: another process reads or writes it",
        expected="that it ends within seconds",
        next_step="see what has the database open (a backup, a shell), then run the command again",
    )


def _overwrite_what_is_deleted(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """What is deleted is also gone from the file's free pages."""
    connection.execute("PRAGMA secure_delete = ON")


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and seldom needed
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
