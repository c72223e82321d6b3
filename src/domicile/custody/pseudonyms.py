"""Pseudonyms: the ledger mentions a person under a random name, and only custody knows whose it is.

Invariants:

- A person has one pseudonym at a time, whichever processes mention them first at once.
- A pseudonym is given out only once its mapping is durable: no entry mentions somebody whom
  nobody could find again.
- A pseudonym is random, not made from the person: once the mapping is destroyed, nothing leads
  from one to the other.
- What a person's key goes by in stores (its subject) is random too, and another: an object's
  metadata leads to no mention in the ledger.
- Somebody whose keys were destroyed on request gets no other one unless they are re-admitted.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from domicile.custody.erased import ErasedPersons, refuse_unchecked
from domicile.custody.subjects import SUBJECT_BYTES
from domicile.errors import UsageError
from domicile.ledger import Pseudonym
from domicile.state import PSEUDONYMS, State
from domicile.state.statements import chunks, insert_new

__all__ = ["Named", "Pseudonyms", "new_pseudonym"]

_ATTEMPTS = 5
_RANDOM_BYTES = 16


def new_pseudonym() -> Pseudonym:
    """A pseudonym that nobody has."""
    random = base64.b32encode(secrets.token_bytes(_RANDOM_BYTES))
    return "p-" + random.decode().rstrip("=").lower()


class Named(NamedTuple):
    """A person, and the name that the ledger has for them."""

    person: str
    pseudonym: Pseudonym


class Pseudonyms:
    """Who is whom. A person is named by their key in the register of members, as it writes it:
    a composite one as the JSON array of its parts. erased: who gets none any more; without it new
    ones are made only as long as nobody was erased.
    """

    def __init__(self, state: State, erased: ErasedPersons | None = None) -> None:
        self._state, self._erased = state, erased

    def of(self, persons: Collection[str]) -> dict[str, Pseudonym]:
        """Each person's pseudonym, made where this is their first mention.

        Raises SiteRefused where the mapping cannot be kept: then nobody may be mentioned;
        UsageError where somebody who has none was erased.
        """
        found = self.known(persons)
        for _ in range(_ATTEMPTS):
            missing = [person for person in dict.fromkeys(persons) if person not in found]
            if not missing:
                return found
            self._make(missing)
            found |= self.known(missing)  # whose insert came first, and who was forgotten since
        raise UsageError(
            "persons are forgotten while they are being mentioned",
            expected="pseudonyms that stay as long as an entry is written",
            next_step="let the erasure of these persons end, then run the same command again",
        )

    def subjects(self, persons: Collection[str]) -> dict[str, bytes]:
        """What each person's key goes by. Made, and raises, as `of`."""
        self.of(persons)
        return dict(self._select(PSEUDONYMS.c.person, PSEUDONYMS.c.subject, persons))

    def behind(self, subjects: Collection[bytes]) -> dict[bytes, Named]:
        """Whose these are, as far as they are anybody's still. For the custodian's eyes only."""
        column, found = PSEUDONYMS.c, dict[bytes, Named]()
        for some in chunks(list(dict.fromkeys(subjects))):
            query = sa.select(column.subject, column.person, column.pseudonym)
            with self._state.begin() as connection:
                for row in connection.execute(query.where(column.subject.in_(some))):
                    found[bytes(row[0])] = Named(row[1], row[2])
        return found

    def known(self, persons: Collection[str]) -> dict[str, Pseudonym]:
        """The pseudonyms of those who have one."""
        return dict(self._select(PSEUDONYMS.c.person, PSEUDONYMS.c.pseudonym, persons))

    def persons(self, pseudonyms: Collection[Pseudonym]) -> dict[Pseudonym, str]:
        """Whose these are, as far as they are anybody's still. For the custodian's eyes only."""
        return dict(self._select(PSEUDONYMS.c.pseudonym, PSEUDONYMS.c.person, pseudonyms))

    def forget(self, person: str) -> bool:
        """Destroy a person's mapping; whether there was one. What the ledger says under that
        pseudonym can be linked to nobody from then on; a new mention makes a new one.
        """
        query = PSEUDONYMS.delete().where(PSEUDONYMS.c.person == person)
        with self._state.begin() as connection:
            return connection.execute(query).rowcount > 0

    def _make(self, persons: list[str]) -> None:
        """Give a pseudonym to whoever has none; of several at once, the first one holds."""
        for some in chunks(sorted(persons)):  # in one order, lest two processes wait for another
            rows = [_fresh(person) for person in some]
            with self._state.begin() as connection:
                connection.execute(insert_new(connection, PSEUDONYMS), rows)
                if self._erased is not None:  # in the same transaction: none slips in between
                    self._erased.refuse(connection, some)
                else:
                    refuse_unchecked(connection)

    def _select(
        self, by: sa.Column[str], what: sa.Column[Any], values: Collection[str]
    ) -> Iterator[tuple[str, Any]]:
        for some in chunks(list(dict.fromkeys(values))):
            with self._state.begin() as connection:
                for row in connection.execute(sa.select(by, what).where(by.in_(some))):
                    yield row[0], row[1]


def _fresh(person: str) -> dict[str, object]:
    subject = secrets.token_bytes(SUBJECT_BYTES)
    return {"person": person, "pseudonym": new_pseudonym(), "subject": subject}
