"""The demo's world: how many of what there is, and who made which video. Pure arithmetic.

The same people and seed give the same world. Nothing grows with the number of people: whose a
video is and who may see it are computed from its number, so rows are made in one pass, in chunks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from domicile.errors import UsageError

__all__ = ["HOME_COUNTRY", "Visibility", "World", "build"]

HOME_COUNTRY = "US"
Visibility = Literal["public", "friends", "private"]

_LEAST_PEOPLE = 20
_MOST_PEOPLE = 50_000_000
_MOST_OBJECTS = 20_000
_OBJECTS_PER_PERSON = 0.265  # at media == 1; see the probabilities in rows.py


@dataclass(frozen=True, slots=True)
class World:
    """One world. media scales how many rows have an object; orphans counts watch events of people
    who no longer exist, which nobody can attribute."""

    people: int
    seed: int
    media: float
    orphans: int

    @property
    def videos(self) -> int:
        """Half as many as people."""
        return max(10, self.people // 2)

    @property
    def sounds(self) -> int:
        """One for twenty people."""
        return max(60, self.people // 20)

    @property
    def comments(self) -> int:
        """Five a person."""
        return self.people * 5

    @property
    def messages(self) -> int:
        """Three a person."""
        return self.people * 3

    @property
    def watch_events(self) -> int:
        """Eight a person, before repeated deliveries."""
        return self.people * 8

    @property
    def tickets(self) -> int:
        """One for ten people."""
        return max(4, self.people // 10)

    @property
    def drafts(self) -> int:
        """Three for ten people."""
        return max(6, self.people * 3 // 10)

    def author(self, video: int) -> int:
        """Who made a video: one person in three makes videos, one and a half each."""
        creators = (self.people + 2) // 3
        return ((video * 2_654_435_761 + self.seed) % creators) * 3 % self.people + 1

    @staticmethod
    def visibility(video: int) -> Visibility:
        """Four in five are public, three in twenty private, the rest for friends."""
        lot = (video * 40_503 >> 3) % 20
        if lot > 3:
            return "public"
        return "friends" if lot == 0 else "private"

    def has_export(self, person: int) -> bool:
        """Whether a person asked for a copy of their data lately."""
        return (person * 40_503 % 10_007) / 10_007 < 0.005 * self.media

    def random(self, purpose: str) -> random.Random:
        """A generator of its own for every purpose, so that no table depends on another's."""
        return random.Random(f"{self.seed}/{self.people}/{purpose}")  # noqa: S311 - a demo


def build(people: int, seed: int = 7, *, objects: int | None = None, orphans: int = 0) -> World:
    """A world of so many people. objects: about how many objects the first site's bucket will
    hold; by default one for four people, at most 20,000. Raises `UsageError`."""
    if not _LEAST_PEOPLE <= people <= _MOST_PEOPLE:
        raise UsageError(
            f"cannot make a world of {people:,} people",
            expected=f"{_LEAST_PEOPLE:,} to {_MOST_PEOPLE:,}",
            next_step="choose another --people",
        )
    wanted = min(people // 4, _MOST_OBJECTS) if objects is None else objects
    return World(people, seed, wanted / (people * _OBJECTS_PER_PERSON), orphans)
