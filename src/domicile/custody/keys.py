"""Opened keys: every subject's own, each under a boundary's key that the root unwrapped.

A key is given out only once it is durable under the boundary's newest key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from domicile.custody.subjects import SUBJECT_BYTES
from domicile.custody.wrapping import KEY_BYTES, unwrap_key, wrap_key
from domicile.errors import EvidenceError
from domicile.state import DATA_KEYS, State

__all__ = ["Keys"]

_AT_ONCE = 500

_INSERT: Mapping[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class Keys:
    """Opened keys of one boundary: for as long as it takes, in one process."""

    def __init__(self, state: State, boundary: str, boundary_keys: Mapping[int, bytes]) -> None:
        self._state, self._boundary = state, boundary
        self.boundary_keys = dict(boundary_keys)
        self._newest = max(boundary_keys)

    def __repr__(self) -> str:
        return f"Keys({self._boundary!r}, versions {sorted(self.boundary_keys)})"

    def of(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        """Each subject's key, made where there is none yet. Raises SiteRefused where one can't be
        kept: then nothing may be sealed under it."""
        found = self.known(subjects)
        missing = sorted({subject for subject in subjects if subject not in found})
        if missing:
            self._make(missing)
            found |= self.known(missing)  # of several processes at once, the first one's holds
        return found

    def known(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        """The keys of those who have one. Raises EvidenceError where one was tampered with, or is
        under a version that these keys lack."""
        found: dict[bytes, bytes] = {}
        columns = (DATA_KEYS.c.subject, DATA_KEYS.c.version, DATA_KEYS.c.wrapped)
        for some in _chunks(list(dict.fromkeys(subjects))):
            query = sa.select(*columns).where(self._is(DATA_KEYS.c.subject.in_(some)))
            with self._state.begin() as connection:
                rows = connection.execute(query).all()
            found |= {row[0]: self._open(row[0], row[1], row[2]) for row in rows}
        return found

    def rewrap(self, most: int = 10_000) -> Iterator[int]:
        """Bring every key under the newest version, so many in a transaction; yields how many each
        brought. Broken off anywhere, it goes on with those that are left."""
        after = b""
        while rows := self._older(after, most):
            after = rows[-1][0]
            with self._state.begin() as connection:
                for subject, version, wrapped in rows:
                    same = self._is(DATA_KEYS.c.subject == subject) & (
                        DATA_KEYS.c.wrapped == wrapped
                    )
                    anew = self._wrap(subject, self._open(subject, version, wrapped))
                    values = {"version": self._newest, "wrapped": anew}
                    connection.execute(DATA_KEYS.update().where(self._is(same)).values(values))
            yield len(rows)

    def _older(self, after: bytes, most: int) -> Sequence[tuple[bytes, int, bytes]]:
        """Keys under older versions, in the order of their subjects."""
        columns = (DATA_KEYS.c.subject, DATA_KEYS.c.version, DATA_KEYS.c.wrapped)
        older = self._is((DATA_KEYS.c.version < self._newest) & (DATA_KEYS.c.subject > after))
        query = sa.select(*columns).where(older).order_by(DATA_KEYS.c.subject).limit(most)
        with self._state.begin() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def forget(self, subjects: Collection[bytes]) -> int:
        """Delete keys; how many there were. What they sealed opens no more with what is here; a
        backup of this database still opens it until the boundary's key is destroyed."""
        count = 0
        for some in _chunks(list(subjects)):
            query = DATA_KEYS.delete().where(self._is(DATA_KEYS.c.subject.in_(some)))
            with self._state.begin() as connection:
                count += connection.execute(query).rowcount
        return count

    def _make(self, subjects: Sequence[bytes]) -> None:
        for subject in subjects:
            if len(subject) != SUBJECT_BYTES:
                raise ValueError(len(subject))
        for some in _chunks(subjects):
            rows = [
                {
                    "boundary": self._boundary,
                    "subject": subject,
                    "version": self._newest,
                    "wrapped": self._wrap(subject, secrets.token_bytes(KEY_BYTES)),
                }
                for subject in some
            ]
            with self._state.begin() as connection:
                insert = _INSERT[connection.dialect.name](DATA_KEYS)
                connection.execute(insert.on_conflict_do_nothing(), rows)

    def _wrap(self, subject: bytes, key: bytes) -> bytes:
        context = self._context(subject, self._newest)
        return wrap_key(self.boundary_keys[self._newest], key, context)

    def _open(self, subject: bytes, version: int, wrapped: bytes) -> bytes:
        boundary_key = self.boundary_keys.get(version)
        if boundary_key is None:
            raise EvidenceError(
                f"a key is under version {version} of the boundary's key, which was not opened",
                expected=f"one of the versions {sorted(self.boundary_keys)}",
                next_step="run the command again; if it stays, restore the wrapped boundary keys",
            )
        return unwrap_key(boundary_key, wrapped, self._context(subject, version))

    def _context(self, subject: bytes, version: int) -> bytes:
        return b"domicile data key\n%s\n%d\n%s" % (self._boundary.encode(), version, subject)

    def _is(self, more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.and_(DATA_KEYS.c.boundary == self._boundary, more)


def _chunks(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]
