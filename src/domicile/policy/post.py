"""What is to be told to whom, from the ledger, and how far each of them was told.

Invariants:
- A notice is derived from what is durable in the ledger, and counted as sent once it was taken: so
  it is sent at least once, also where a process ended between the two.
- Nothing that fails here undoes or refuses an act. What can't be sent waits, for ever longer times;
  what waited a week is given up, and said.
- Who is new in the charter is told what happens from then on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from domicile.charter import Charter
from domicile.ledger import time_text
from domicile.policy.delivery import NotSent, deliver
from domicile.policy.desk import Desk, now_text
from domicile.policy.notices import Notice, endings, notices_of
from domicile.state import NOTIFIED, NOTIFIED_ENDS, State

__all__ = ["Batch", "Post"]

_LONGEST = timedelta(hours=1)
_FIRST = timedelta(seconds=30)
_GIVEN_UP = timedelta(days=7)
_TURN_S = 20.0  # so long one of them is told things at a time, before others are and the act ends


@dataclass(frozen=True, slots=True)
class Batch:
    """What one of the charter's notices is to be told. notices: each with its entry's index, None
    for what comes of no entry. end: the index up to which all is told then. late: how many were
    given up. failures: how often in a row sending failed before."""

    name: str
    notices: tuple[tuple[int | None, Notice], ...]
    end: int
    late: int
    failures: int


class Post:
    """Sends notices for one boundary. base: where the charter's relative paths begin."""

    def __init__(
        self, charter: Charter, boundary: str, state: State, base: Path, environ: Mapping[str, str]
    ) -> None:
        self._to, self._log = charter.notices, charter.ledger_origin
        self._boundary, self._state = boundary, state
        self._base, self._environ = base, environ

    def begin(self, desk: Desk) -> None:
        """Before anything is done: who is new is told what happens from here on."""
        for name in self._to.keys() - self._rows().keys():
            values = {"boundary": self._boundary, "name": name, "position": desk.standing.size}
            self._put(NOTIFIED, {**values, "failures": 0, "next_at": ""})

    def collect(self, desk: Desk) -> list[Batch]:
        """What is to be sent now. Sends nothing."""
        if not self._to:
            return []
        now, size = now_text(), desk.standing.size
        rows = {
            name: row
            for name, row in self._rows().items()
            if name in self._to and row.next_at <= now
        }
        starts = {name: min(row.position, size) for name, row in rows.items()}
        found = _told(desk, self._log, min(starts.values(), default=size), size)
        ending = list(endings(self._log, desk.standing, now))
        oldest = time_text(datetime.now(UTC) - _GIVEN_UP)
        batches = []
        for name, row in rows.items():
            mine = [(index, notice) for index, notice in found if index >= starts[name]]
            fresh = [(index, notice) for index, notice in mine if notice.time >= oldest]
            known = self._ends_told(name)
            ends = [(None, one) for one in ending if (one.request, one.until) not in known]
            late = len(mine) - len(fresh)
            if mine or ends or size != row.position:
                batches.append(Batch(name, (*fresh, *ends), size, late, row.failures))
        return batches

    def send(self, batches: list[Batch]) -> list[str]:
        """Send what was collected; what is to be said of it, if anything."""
        return [line for batch in batches for line in self._send(batch)]

    def _send(self, batch: Batch) -> list[str]:
        said = []
        if batch.late:
            said.append(f"{batch.late:,} notices to {batch.name} waited a week and were given up")
        over = time.monotonic() + _TURN_S
        for at, (index, notice) in enumerate(batch.notices):
            if time.monotonic() > over:
                self._note(batch.name, batch.end if index is None else index, 0, "")
                return said
            try:
                note = deliver(notice, self._to[batch.name], self._base, self._environ)
            except NotSent as error:
                wait = min(_FIRST * 2 ** min(batch.failures, 10), _LONGEST)
                again = time_text(datetime.now(UTC) + wait)
                position = batch.end if index is None else index
                self._note(batch.name, position, batch.failures + 1, again)
                left = len(batch.notices) - at
                said.append(
                    f"{left:,} notices to {batch.name} were not sent: {error}; what was done"
                    f" stands, and they are sent by whichever command or server is first after"
                    f" {again}"
                )
                return said
            if note:
                said.append(f"of {batch.name}: {note}")
            if index is None:
                self._note_end(batch.name, notice)
        self._note(batch.name, batch.end, 0, "")
        return said

    def _rows(self) -> dict[str, sa.Row[tuple[object, ...]]]:
        with self._state.begin() as connection:
            query = NOTIFIED.select().where(NOTIFIED.c.boundary == self._boundary)
            return {row.name: row for row in connection.execute(query)}

    def _note(self, name: str, position: int, failures: int, next_at: str) -> None:
        at = NOTIFIED.c.boundary == self._boundary, NOTIFIED.c.name == name
        values = {"position": position, "failures": failures, "next_at": next_at}
        with self._state.begin() as connection:
            connection.execute(NOTIFIED.update().where(*at).values(**values))

    def _ends_told(self, name: str) -> set[tuple[str, str]]:
        ends = NOTIFIED_ENDS.c
        with self._state.begin() as connection:
            query = NOTIFIED_ENDS.select().where(ends.boundary == self._boundary, ends.name == name)
            return {(row.request, row.until) for row in connection.execute(query)}

    def _note_end(self, name: str, notice: Notice) -> None:
        values = {"boundary": self._boundary, "name": name, "request": notice.request}
        ends = NOTIFIED_ENDS.c
        with self._state.begin() as connection:
            over = ends.boundary == self._boundary, ends.until < notice.time
            connection.execute(NOTIFIED_ENDS.delete().where(*over))
        self._put(NOTIFIED_ENDS, {**values, "until": notice.until})

    def _put(self, table: sa.Table, values: Mapping[str, object]) -> None:
        """A row, unless it is there already: another process may be as quick."""
        keys = [column == values[column.name] for column in table.primary_key]
        there = sa.exists(sa.select(sa.literal(1)).where(*keys))
        new = sa.select(*(sa.literal(value) for value in values.values())).where(~there)
        with self._state.begin() as connection:
            connection.execute(table.insert().from_select(list(values), new))


def _told(desk: Desk, log: str, start: int, size: int) -> list[tuple[int, Notice]]:
    """What the ledger's entries from ``start`` on tell, in their order."""
    if start >= size:
        return []
    standing = desk.standing
    return [
        (index, notice)
        for index, entry, why in desk.events(start)
        if why is None and index < size
        for notice in notices_of(log, index, time_text(entry.time), entry.body, standing)
    ]
