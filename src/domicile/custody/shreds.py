"""Requests to destroy persons' keys, and how far each is, in the state database.

A shred is ``requested`` (it waits, and can be cancelled), then ``condemned`` (the keys are deleted
here; their copies in backups still open until every version of the boundary's key below
``keys_below`` is destroyed), then ``done``. What makes a phase is in the ledger before it is here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa

from domicile.custody.waiting import Look, waited_s
from domicile.state import (
    DATA_KEYS,
    ERASED_PERSONS,
    ERASED_SUBJECTS,
    PSEUDONYMS,
    SHRED_SUBJECTS,
    SHREDS,
    State,
)
from domicile.state.statements import chunks

__all__ = ["Condemnation", "Phase", "Shred", "Shreds"]

Phase = Literal["requested", "cancelled", "condemned", "done"]


@dataclass(frozen=True, slots=True)
class Shred:
    """One request. waits_s: how long it must wait; waited_s: how long it has, for sure, when it was
    last looked at. keys_below: see above, once it is condemned; unreadable: what no longer opens,
    as plain data; certificate: its path below the records, once it is done."""

    id: str
    phase: Phase
    persons: int
    requested_at: str
    waits_s: int
    waited_s: int
    looked: Look
    keys_below: int | None = None
    unreadable: Sequence[Mapping[str, Any]] = ()
    certificate: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether it has waited long enough."""
        return self.phase == "requested" and self.waited_s >= self.waits_s


@dataclass(frozen=True, slots=True)
class Condemnation:
    """What is deleted with one shred: its subjects' keys and the mappings of their pseudonyms, and
    what is remembered instead: the digests of the persons."""

    shred: str
    keys_below: int
    subjects: Sequence[bytes]
    pseudonyms: Sequence[str]
    digests: Sequence[bytes]
    unreadable: Sequence[Mapping[str, Any]]


class Shreds:
    """Those of one boundary."""

    def __init__(self, state: State, boundary: str) -> None:
        self._state, self._boundary = state, boundary

    def all(self) -> list[Shred]:
        """Every request, oldest first."""
        query = SHREDS.select().where(SHREDS.c.boundary == self._boundary).order_by(SHREDS.c.id)
        with self._state.begin() as connection:
            return [_shred(row) for row in connection.execute(query)]

    def add(self, shred: Shred, subjects: Collection[bytes]) -> None:
        """Write down a request, with whose keys it is about."""
        values = {**asdict(shred), "unreadable": None, "boundary": self._boundary}
        rows = [
            {"boundary": self._boundary, "subject": subject, "shred": shred.id}
            for subject in sorted(subjects)
        ]
        with self._state.begin() as connection:
            connection.execute(SHREDS.insert(), values)
            connection.execute(SHRED_SUBJECTS.insert(), rows)

    def subjects(self, shred: str) -> list[bytes]:
        """Whose keys a request is about; nobody's once it is cancelled or condemned."""
        column = SHRED_SUBJECTS.c
        query = sa.select(column.subject).where(
            column.boundary == self._boundary, column.shred == shred
        )
        with self._state.begin() as connection:
            return [bytes(row[0]) for row in connection.execute(query.order_by(column.subject))]

    def waiting(self, subjects: Collection[bytes]) -> set[bytes]:
        """Those of these who are in a request that waits."""
        column, found = SHRED_SUBJECTS.c, set[bytes]()
        for some in chunks(list(subjects)):
            query = sa.select(column.subject).where(
                column.boundary == self._boundary, column.subject.in_(some)
            )
            with self._state.begin() as connection:
                found |= {bytes(row[0]) for row in connection.execute(query)}
        return found

    def look(self, now: Look) -> None:
        """Count the time that has passed for sure since each request was last looked at."""
        for shred in self.all():
            if shred.phase == "requested":
                waited = shred.waited_s + waited_s(shred.looked, now)
                self._update(shred.id, waited_s=waited, looked=asdict(now))

    def cancel(self, shred: str) -> None:
        """Take a request back, and forget whom it was about."""
        with self._state.begin() as connection:
            connection.execute(SHREDS.update().where(self._is(shred)).values(phase="cancelled"))
            connection.execute(SHRED_SUBJECTS.delete().where(self._is_about(shred)))

    def condemn(self, what: Condemnation) -> None:
        """Delete and remember, all of it or nothing."""
        here = {"boundary": self._boundary}
        with self._state.begin() as connection:
            values = {"keys_below": what.keys_below, "unreadable": list(what.unreadable)}
            update = SHREDS.update().where(self._is(what.shred))
            connection.execute(update.values(phase="condemned", **values))
            for some in chunks(what.subjects):
                rows = [{**here, "subject": subject} for subject in some]
                connection.execute(ERASED_SUBJECTS.insert(), rows)
                mine = DATA_KEYS.c.boundary == self._boundary
                connection.execute(DATA_KEYS.delete().where(mine, DATA_KEYS.c.subject.in_(some)))
            for names in chunks(what.pseudonyms):
                connection.execute(PSEUDONYMS.delete().where(PSEUDONYMS.c.pseudonym.in_(names)))
            if what.digests:
                rows = [{**here, "digest": digest} for digest in what.digests]
                connection.execute(ERASED_PERSONS.insert(), rows)
            connection.execute(SHRED_SUBJECTS.delete().where(self._is_about(what.shred)))

    def finish(self, shred: str, certificate: str) -> None:
        """It is done."""
        self._update(shred, phase="done", certificate=certificate)

    def survivors(self, below: int) -> int:
        """How many keys are still under versions of the boundary's key below this one."""
        query = sa.select(sa.func.count()).where(
            DATA_KEYS.c.boundary == self._boundary, DATA_KEYS.c.version < below
        )
        with self._state.begin() as connection:
            return connection.scalar(query) or 0

    def _update(self, shred: str, **values: object) -> None:
        with self._state.begin() as connection:
            connection.execute(SHREDS.update().where(self._is(shred)).values(**values))

    def _is(self, shred: str) -> sa.ColumnElement[bool]:
        return sa.and_(SHREDS.c.boundary == self._boundary, SHREDS.c.id == shred)

    def _is_about(self, shred: str) -> sa.ColumnElement[bool]:
        column = SHRED_SUBJECTS.c
        return sa.and_(column.boundary == self._boundary, column.shred == shred)


def _shred(row: sa.Row[Any]) -> Shred:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    del values["boundary"]
    values["looked"] = Look(**values["looked"])
    values["unreadable"] = values["unreadable"] or ()
    return Shred(**values)
