"""Who was erased, so that nobody is silently given a new key: a keyed digest of each.

The digests' own key is a data key of the boundary: it lies wrapped, is brought along by every
rotation, and without the root nobody can try who is on the list.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from hashlib import sha256

import sqlalchemy as sa

from domicile.custody.keys import Keys
from domicile.custody.subjects import SUBJECT_BYTES
from domicile.errors import UsageError
from domicile.state import ERASED_PERSONS, State
from domicile.state.statements import chunks

__all__ = ["ErasedPersons", "is_anybody_erased", "refuse_unchecked"]

_SUBJECT = sha256(b"domicile erased persons\n").digest()[:SUBJECT_BYTES]


class ErasedPersons:
    """Those of one boundary, by its opened keys."""

    def __init__(self, state: State, boundary: str, keys: Keys) -> None:
        self._state, self._boundary = state, boundary
        self._key = keys.of([_SUBJECT])[_SUBJECT]

    def among(self, persons: Collection[str]) -> list[str]:
        """Those of these who were erased, in their order."""
        with self._state.begin() as connection:
            return self._among(connection, persons)

    def refuse(self, connection: sa.Connection, persons: Collection[str]) -> None:
        """Raises UsageError where some of these were erased, seen from this transaction."""
        if found := self._among(connection, persons):
            raise _erased(len(found))

    def readmit(self, persons: Collection[str]) -> int:
        """Take these off the list; how many were on it. They get new pseudonyms and new keys: what
        was destroyed stays so."""
        count = 0
        with self._state.begin() as connection:
            for some in chunks([self.digest(person) for person in dict.fromkeys(persons)]):
                query = ERASED_PERSONS.delete().where(self._is(ERASED_PERSONS.c.digest.in_(some)))
                count += connection.execute(query).rowcount
        return count

    def digest(self, person: str) -> bytes:
        """What the list holds of a person."""
        return hmac.digest(self._key, person.encode(), "sha256")

    def _among(self, connection: sa.Connection, persons: Collection[str]) -> list[str]:
        digests = {self.digest(person): person for person in dict.fromkeys(persons)}
        column, found = ERASED_PERSONS.c.digest, set[bytes]()
        for some in chunks(list(digests)):
            query = sa.select(column).where(self._is(column.in_(some)))
            found |= {bytes(row[0]) for row in connection.execute(query)}
        return [person for digest, person in digests.items() if digest in found]

    def _is(self, more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.and_(ERASED_PERSONS.c.boundary == self._boundary, more)


def refuse_unchecked(connection: sa.Connection) -> None:
    """For who can't look persons up on the list: raises UsageError where anybody is on it."""
    if connection.scalar(sa.select(ERASED_PERSONS.c.boundary).limit(1)) is not None:
        raise UsageError(
            "persons were erased, and without the boundary's keys it can't be told who",
            expected="the opened keys, where somebody is mentioned for the first time",
            next_step="run it where the root of the keys is in reach",
        )


def is_anybody_erased(state: State, boundary: str) -> bool:
    """Whether the list of a boundary has anybody on it; who that is takes its keys."""
    column = ERASED_PERSONS.c.boundary
    with state.begin() as connection:
        return connection.scalar(sa.select(column).where(column == boundary).limit(1)) is not None


def _erased(count: int) -> UsageError:
    """The error where somebody who was erased is to get a key or a pseudonym again."""
    return UsageError(
        f"{count:,} of these persons were erased: their keys were destroyed on request",
        expected="no data of theirs to bring home or to mention",
        next_step="remove it at the source, then scan and plan again; or re-admit them with"
        " `domicile shred readmit`",
    )
