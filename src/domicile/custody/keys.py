"""Opened keys: every subject's own, each under a boundary's key that the root unwrapped.

Invariants:

- A key is given out only once it is durable under a boundary's key that is there.
- Nobody whose key was destroyed on request is given one again, whatever was opened before that.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import sqlalchemy as sa

from domicile.custody.subjects import SUBJECT_BYTES
from domicile.custody.wrapping import KEY_BYTES, unwrap_key, wrap_key
from domicile.errors import EvidenceError, UsageError
from domicile.state import BOUNDARY_KEYS, DATA_KEYS, ERASED_SUBJECTS, State
from domicile.state.statements import chunks, insert_new

__all__ = ["Keys"]

_MADE_AT_ONCE = 10_000  # keys in one transaction


_Row = tuple[bytes, int, bytes]
"""Subject, version of the boundary's key, wrapped key."""

# Made once: making a statement takes longer than running it.
_OF_BOUNDARY = DATA_KEYS.c.boundary == sa.bindparam("of_boundary")
_COLUMNS = sa.select(DATA_KEYS.c.subject, DATA_KEYS.c.version, DATA_KEYS.c.wrapped)
_ONE = _COLUMNS.where(_OF_BOUNDARY, DATA_KEYS.c.subject == sa.bindparam("one"))
_SOME = _COLUMNS.where(_OF_BOUNDARY, DATA_KEYS.c.subject.in_(sa.bindparam("some", expanding=True)))
_REWRAP = (
    DATA_KEYS.update()
    .where(
        _OF_BOUNDARY,
        DATA_KEYS.c.subject == sa.bindparam("one"),
        DATA_KEYS.c.wrapped == sa.bindparam("before"),
    )
    .values(version=sa.bindparam("under"), wrapped=sa.bindparam("anew"))
)


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
        kept: then nothing may be sealed under it. UsageError where a subject without one was
        erased, or where the boundary's keys were rotated and destroyed since they were opened."""
        found = self.known(subjects)
        missing = sorted({subject for subject in subjects if subject not in found})
        if missing:
            for some in chunks(missing, _MADE_AT_ONCE):
                found |= self._make(some)
        return found

    def known(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        """The keys of those who have one. Raises EvidenceError where one was tampered with, or is
        under a version that these keys lack."""
        asked = list(dict.fromkeys(subjects))
        if len(asked) == 1:
            rows = self._rows(_ONE, one=asked[0])
        else:
            rows = [row for some in chunks(asked) for row in self._rows(_SOME, some=some)]
        return {row[0]: self._open(*row) for row in rows}

    def rewrap(self, most: int = 10_000) -> Iterator[int]:
        """Bring every key under the newest version, so many in a transaction; yields how many each
        brought. Broken off anywhere, it goes on with those that are left."""
        after = b""
        while rows := self._older(after, most):
            after = rows[-1][0]
            changes = {
                "of_boundary": repeat(self._boundary),
                "one": [row[0] for row in rows],
                "before": [row[2] for row in rows],
                "under": repeat(self._newest),
                "anew": [self._wrap(row[0], self._open(*row)) for row in rows],
            }
            with self._state.begin() as connection:
                _execute_many(connection, _REWRAP, changes)
            yield len(rows)

    def _rows(self, query: sa.Select[bytes, int, bytes], **values: object) -> list[_Row]:
        with self._state.begin() as connection:
            rows = connection.execute(query, {"of_boundary": self._boundary, **values})
            return [(row[0], row[1], row[2]) for row in rows]

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
        for some in chunks(list(subjects)):
            query = DATA_KEYS.delete().where(self._is(DATA_KEYS.c.subject.in_(some)))
            with self._state.begin() as connection:
                count += connection.execute(query).rowcount
        return count

    def forget_erased(self) -> int:
        """Delete whatever key an erased subject still has; how many there were."""
        erased = sa.select(ERASED_SUBJECTS.c.subject).where(
            ERASED_SUBJECTS.c.boundary == self._boundary
        )
        query = DATA_KEYS.delete().where(self._is(DATA_KEYS.c.subject.in_(erased)))
        with self._state.begin() as connection:
            return connection.execute(query).rowcount

    def _make(self, subjects: Sequence[bytes]) -> dict[bytes, bytes]:
        """A key for each, in one transaction. Of several processes at once, the first one's
        holds."""
        made = {subject: secrets.token_bytes(KEY_BYTES) for subject in subjects}
        rows = {
            "boundary": repeat(self._boundary),
            "subject": list(made),
            "version": repeat(self._newest),
            "wrapped": [self._wrap(subject, key) for subject, key in made.items()],
        }
        with self._state.begin() as connection:
            insert = insert_new(connection, DATA_KEYS)
            all_are_ours = _execute_many(connection, insert, rows) == len(made)
            self._refuse_dead(connection, subjects)
        return made if all_are_ours else self.known(subjects)

    def _refuse_dead(self, connection: sa.Connection, subjects: Sequence[bytes]) -> None:
        """In the transaction that made the keys, which keeps those out who destroy keys."""
        erased = ERASED_SUBJECTS.c
        anybody = sa.select(erased.boundary).where(erased.boundary == self._boundary).limit(1)
        these = sa.select(sa.func.count()).where(
            erased.boundary == self._boundary,
            erased.subject.in_(sa.bindparam("some", expanding=True)),
        )
        some = chunks(subjects) if connection.scalar(anybody) is not None else ()
        if count := sum(connection.scalar(these, {"some": each}) or 0 for each in some):
            raise UsageError(
                f"{count:,} of these subjects were erased: nothing is sealed for them any more",
                expected="subjects that have keys, or never had one",
                next_step="run the command again: what it opened is from before their erasure",
            )
        newest = sa.select(BOUNDARY_KEYS.c.version).where(
            BOUNDARY_KEYS.c.boundary == self._boundary, BOUNDARY_KEYS.c.version == self._newest
        )
        if connection.scalar(newest) is None:
            raise UsageError(
                f"version {self._newest} of the boundary's key is no more: these keys are stale",
                expected="keys that were opened after the last rotation",
                next_step="run the command again",
            )

    def _wrap(self, subject: bytes, key: bytes) -> bytes:
        if len(subject) != SUBJECT_BYTES:
            raise ValueError(len(subject))
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


def _execute_many(
    connection: sa.Connection, statement: sa.UpdateBase, columns: Mapping[str, Iterable[object]]
) -> int:
    """Run a statement for many rows, given by columns; how many it changed. The driver is handed
    them as they are: SQLAlchemy's looking at each value takes longer than everything else."""
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(columns))
    order = getattr(compiled, "positiontup", None)  # None where the driver takes names
    names: Sequence[str] = order or list(columns)
    rows = zip(*(columns[name] for name in names), strict=False)  # some columns repeat for ever
    many: Any = list(rows) if order else [dict(zip(names, row, strict=True)) for row in rows]
    options = {"preserve_rowcount": True}
    return connection.exec_driver_sql(str(compiled), many, execution_options=options).rowcount
