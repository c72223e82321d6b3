"""Keys of boundaries that are to be destroyed, remembered until their keeper says: gone.

What is wrapped is deleted here and now; which versions of the root could unwrap a backup of it must
stay known until they no longer exist.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from domicile.errors import UsageError
from domicile.state import BOUNDARY_KEYS, CONDEMNED_KEYS, DATA_KEYS, State

__all__ = ["Condemned", "CondemnedKeys"]


class Condemned(NamedTuple):
    """A version of a boundary's key. pending_until is the date (of `EntryTime`) at which its keeper
    destroys it, where the keeper was asked and named one."""

    version: int
    root: str
    root_versions: tuple[int, ...]
    pending_until: str | None = None


class CondemnedKeys:
    """Those of one boundary, in the state database."""

    def __init__(self, state: State, boundary: str) -> None:
        self._state, self._boundary = state, boundary

    def all(self) -> dict[int, Condemned]:
        """Each version that is still to be destroyed, oldest first."""
        table = CONDEMNED_KEYS.c
        columns = (table.version, table.root, table.root_versions, table.pending_until)
        query = sa.select(*columns).where(table.boundary == self._boundary).order_by(table.version)
        with self._state.begin() as connection:
            return {
                row[0]: Condemned(row[0], row[1], tuple(row[2]), row[3])
                for row in connection.execute(query)
            }

    def add(self, condemned: Condemned) -> None:
        """Delete the wrapped key and remember what could unwrap it, both or neither. Raises
        UsageError where a key was put under it meanwhile."""
        here = BOUNDARY_KEYS.c.boundary == self._boundary
        under = sa.select(sa.func.count()).where(
            DATA_KEYS.c.boundary == self._boundary, DATA_KEYS.c.version == condemned.version
        )
        with self._state.begin() as connection:
            connection.execute(
                BOUNDARY_KEYS.delete().where(here, BOUNDARY_KEYS.c.version == condemned.version)
            )
            if count := connection.scalar(under):
                raise UsageError(
                    f"{count:,} keys were made under version {condemned.version} meanwhile",
                    expected="nothing under a key that is to be destroyed",
                    next_step="run the command again: it brings them under the newest version",
                )
            values = {**condemned._asdict(), "root_versions": list(condemned.root_versions)}
            connection.execute(CONDEMNED_KEYS.insert().values(boundary=self._boundary, **values))

    def wait(self, version: int, until: str) -> None:
        """Its keeper destroys it at that time."""
        with self._state.begin() as connection:
            update = CONDEMNED_KEYS.update().where(self._is(version))
            connection.execute(update.values(pending_until=until))

    def remove(self, version: int) -> None:
        """It is gone."""
        with self._state.begin() as connection:
            connection.execute(CONDEMNED_KEYS.delete().where(self._is(version)))

    def _is(self, version: int) -> sa.ColumnElement[bool]:
        table = CONDEMNED_KEYS.c
        return sa.and_(table.boundary == self._boundary, table.version == version)
