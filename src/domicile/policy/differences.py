"""What another text would allow or forbid, over the questions that were really asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domicile.policy.decisions import Engine
from domicile.policy.entries import Asked

__all__ = ["Difference", "differences"]


class Difference(msgspec.Struct, frozen=True):
    """A question that would be answered otherwise, as often as it was asked."""

    asked: Asked
    allowed: bool
    policies: tuple[str, ...]
    times: int


def differences(
    recorded: Iterable[tuple[Asked, int]], before: Engine, after: Engine
) -> tuple[int, list[Difference]]:
    """How many questions there were, and those that the two answer differently; the most frequent
    first. recorded: each question with the minute it was asked in."""
    count, found = 0, dict[tuple[Asked, bool], Difference]()
    for asked, minute in recorded:
        count += 1
        then, now = before.decide(asked, minute), after.decide(asked, minute)
        if then.allowed != now.allowed:
            known = found.get((asked, now.allowed))
            times = known.times + 1 if known else 1
            found[asked, now.allowed] = Difference(asked, now.allowed, now.policies, times)
    return count, sorted(found.values(), key=lambda one: -one.times)
