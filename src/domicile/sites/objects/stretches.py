"""Stretches of a bucket's keys, and where to cut them for several to be listed at a time. Pure.

What a stretch holds is unknown until it is listed, and so a cut is a guess: wherever it falls, the
stretches on its two sides hold between them what the whole one held. A good guess only makes them
about equal. Keys compare as text: by code points, that is as their UTF-8 does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from domicile.sites.objects.model import ObjectVersion

__all__ = ["Stretch", "Turn", "alphabet_of", "cut", "guesses"]

_FINER = 8
"""Characters behind what two keys have in common that tell how far they are apart."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The keys behind ``after`` (with a ``token``, also the rest of that key's versions: those
    behind the one that it names, but for ``skips``: then the token only says where to ask on), up
    to and including ``until``; to the end where that is empty."""

    after: str = ""
    token: str = ""
    until: str = ""
    skips: bool = False

    @property
    def is_behind_key(self) -> bool:
        """Whether no version of the key ``after`` is in it."""
        return self.skips or not self.token

    def ends_before(self, key: str) -> bool:
        """Whether this key, and whatever comes after it, is not in it."""
        return bool(self.until) and key > self.until


@dataclass(frozen=True, slots=True)
class Turn:
    """Some of a stretch: what was listed of it, in order, and what is left."""

    pages: list[list[ObjectVersion]]
    rest: Stretch | None


def alphabet_of(keys: Iterable[str]) -> set[str]:
    """The characters that a guess may be made of: those of keys, that can stand in any request."""
    return {character for character in set().union(*keys) if character.isprintable()}


def guesses(
    first: str, last: str, *, steps: Sequence[tuple[int, int]], alphabet: Iterable[str]
) -> Iterator[str]:
    """Keys as far behind ``last`` as it is behind ``first``, times each of steps (a numerator and
    a denominator), as if every character were as likely as any other."""
    digits = sorted({*alphabet, *_printable(first), *_printable(last)})
    places = _alike(first, last) + _FINER
    begin, end = _number(first, digits, places), _number(last, digits, places)
    for numerator, denominator in steps:
        guess = end + (end - begin) * numerator // denominator
        if end < guess < (len(digits) + 1) ** places:
            yield _text(guess, digits, places)


def cut(stretch: Stretch, at: Iterable[str]) -> list[Stretch]:
    """A stretch, cut behind each of these keys that lies in it; in order."""
    within = {key for key in at if key > stretch.after and key != stretch.until}
    borders = sorted(key for key in within if not stretch.ends_before(key))
    starts = [stretch, *map(Stretch, borders)]
    return [
        replace(start, until=until)
        for start, until in zip(starts, [*borders, stretch.until], strict=True)
    ]


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _printable(key: str) -> str:
    return "".join(character for character in key if character.isprintable())


def _number(key: str, digits: Sequence[str], places: int) -> int:
    """Its first places as a number: 0 for no character, 1 for the first of digits."""
    number = 0
    for place in range(places):
        digit = bisect_left(digits, key[place]) + 1 if place < len(key) else 0
        number = number * (len(digits) + 1) + min(digit, len(digits))
    return number


def _text(number: int, digits: Sequence[str], places: int) -> str:
    characters = []
    for _ in range(places):
        number, digit = divmod(number, len(digits) + 1)
        characters.append(digits[digit - 1] if digit else "")
    return "".join(reversed(characters))
