"""A long listing by several requests at a time, in order and in bounded memory.

What is not begun yet waits in the order of keys, and the first of it is begun first; a turn is a
few pages. What is left of a stretch after its turn is cut where guesses say, and waits again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from domicile.sites.objects.model import ObjectVersion
from domicile.sites.objects.stretches import Stretch, Turn, alphabet_of, cut, guesses

__all__ = ["in_order"]

Walk = Callable[[Stretch, int], Turn]
"""Lists a stretch for so many pages. Safe to call from several threads."""

_AT_ONCE = 4
_PAGES = 8
_HELD_PAGES = 64
_SAMPLED = 50  # of the keys of a page one in so many shows which characters keys have


def in_order(walk: Walk, whole: Stretch) -> Iterator[list[ObjectVersion]]:
    """The pages of a stretch, in order. Its first page comes before anything else is asked for."""
    turn = walk(whole, 1)
    yield from turn.pages
    if turn.rest is None:
        return
    threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing")
    try:
        yield from _Parts(walk, threads, turn).pages()
    finally:
        threads.shutdown(cancel_futures=True)


@dataclass
class _Part:
    """A stretch that waits, is listed, or was. guess: which kind of guess made it."""

    stretch: Stretch
    guess: str = ""
    running: Future[Turn] | None = None
    turn: Turn | None = None


class _Parts:
    """What is not handed out yet, in order."""

    def __init__(self, walk: Walk, threads: Executor, first: Turn) -> None:
        self._walk = walk
        self._threads = threads
        self._guessing = _Guessing()
        self._parts = self._guessing.after(first)

    def pages(self) -> Iterator[list[ObjectVersion]]:
        while self._parts:
            self._begin()
            head = self._parts[0]
            if head.turn is None:
                wait([p.running for p in self._parts if p.running], return_when=FIRST_COMPLETED)
                self._take_in()
                continue
            if head.turn.pages:
                yield head.turn.pages.pop(0)
                self._take_in()
            else:
                self._parts.pop(0)

    def _begin(self) -> None:
        running = [part for part in self._parts if part.running]
        held = sum(len(part.turn.pages) for part in self._parts if part.turn)
        room = min(_AT_ONCE - len(running), (_HELD_PAGES - held) // _PAGES - len(running))
        for place, part in enumerate(self._parts):
            if part.running or part.turn:
                continue
            if room <= 0 and place > 0:
                return
            part.running = self._threads.submit(self._walk, part.stretch, _PAGES)
            room -= 1

    def _take_in(self) -> None:
        parts: list[_Part] = []
        for part in self._parts:
            parts.append(part)
            if part.running and part.running.done():
                part.turn, part.running = part.running.result(), None
                self._guessing.learn(part.guess, part.turn)
                parts += self._guessing.after(part.turn)
        self._parts = parts


@dataclass
class _Guessing:
    """How far behind a turn the next ones may well begin. Two kinds of guesses are made: by how far
    apart the keys of that turn are, and of all until there. Those that hit are made more of."""

    many: dict[str, int] = field(default_factory=lambda: {"near": _AT_ONCE, "far": 1})
    alphabet: set[str] = field(default_factory=set)
    first: str = ""
    pages: int = 0

    def learn(self, guess: str, turn: Turn) -> None:
        if guess and not turn.pages:
            self.many[guess] = max(self.many[guess] // 2, 1)
        elif guess and turn.rest:
            self.many[guess] = min(self.many[guess] * 2, 2 * _AT_ONCE)

    def after(self, turn: Turn) -> list[_Part]:
        """What is left after a turn, cut."""
        for page in turn.pages:
            self.alphabet |= alphabet_of(version.key for version in page[::_SAMPLED])
        self.pages += len(turn.pages)
        if turn.rest is None:
            return []
        made = self._guesses(turn) if turn.pages else {}
        return [_Part(part, made.get(part.after, "")) for part in cut(turn.rest, made)]

    def _guesses(self, turn: Turn) -> dict[str, str]:
        first, last = turn.pages[0][0].key, turn.pages[-1][-1].key
        self.first = self.first or first
        since = {"far": (self.first, self.pages), "near": (first, len(turn.pages))}
        return {
            guess: kind
            for kind, (begin, pages) in since.items()
            for guess in guesses(
                begin,
                last,
                steps=[(n * _PAGES, pages) for n in range(1, self.many[kind] + 1)],
                alphabet=self.alphabet,
            )
        }
