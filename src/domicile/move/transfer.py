"""Objects in flight: one read into one write, hashed in passing, within two budgets.

Many small objects want many in flight, a few large ones want few: both the number and the bytes
are bounded, whatever the sizes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from domicile.errors import EvidenceError, ObjectWithheld
from domicile.sites.objects import Attributes, ObjectSite

__all__ = [
    "UNREADABLE",
    "Budget",
    "Content",
    "copy_version",
    "in_flight",
    "read_content",
    "read_home",
]

T = TypeVar("T")
R = TypeVar("R")

OBJECTS_IN_FLIGHT = 48
BYTES_IN_FLIGHT = 96 * 1024 * 1024
_LARGEST_CLAIM = 24 * 1024 * 1024  # a multipart write holds a few parts, not the object


@dataclass(frozen=True, slots=True)
class Content:
    """What makes two versions equal: their bytes and what travels with them."""

    sha256: str
    size_bytes: int
    attributes: Attributes


UNREADABLE = Content("", -1, Attributes())
"""What home holds and cannot be opened: equal to nothing that a source has."""


class Budget:
    """Bounds objects and bytes in flight, first come, first served. One a loop."""

    def __init__(self, objects: int = OBJECTS_IN_FLIGHT, size_bytes: int = BYTES_IN_FLIGHT) -> None:
        self._free_objects = objects
        self._free_bytes = size_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold a place for an object of this size."""
        claim = min(size_bytes, _LARGEST_CLAIM)
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((claim, place))
        self._admit()
        try:
            await place
            yield
        finally:
            if place.done() and not place.cancelled():
                self._free_objects += 1
                self._free_bytes += claim
            else:
                place.cancel()
            self._admit()

    def _admit(self) -> None:
        """Let in those at the head who fit; only they are woken."""
        while self._waiting and self._free_objects > 0:
            claim, place = self._waiting[0]
            if claim > self._free_bytes and not place.cancelled():
                return
            self._waiting.popleft()
            if place.cancelled():
                continue
            self._free_objects -= 1
            self._free_bytes -= claim
            place.set_result(None)


async def copy_version(
    source: ObjectSite, home: ObjectSite, key: str, version_id: str
) -> tuple[str, Content]:
    """Write one version home as the key's newest; its version id there and what was written.
    Raises SiteMissing where the source has it no longer."""
    read = await source.read(key, version_id)
    digest = _Digest(read.chunks)
    written = await home.write(key, digest, read.attributes, read.size_bytes)
    return written, digest.content(read.attributes)


async def read_content(site: ObjectSite, key: str, version_id: str) -> Content:
    """Read a version whole and keep only what it is."""
    read = await site.read(key, version_id)
    digest = _Digest(read.chunks)
    async for _ in digest:
        pass
    return digest.content(read.attributes)


async def read_home(home: ObjectSite, key: str, version_id: str) -> Content:
    """`read_content` of a version at home; `UNREADABLE` where it is not what was sealed, or home's
    store withholds it."""
    try:
        return await read_content(home, key, version_id)
    except (EvidenceError, ObjectWithheld):
        return UNREADABLE


class _Digest:
    """Chunks passing by, hashed and counted."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self._size = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self._hash.update(chunk)
        self._size += len(chunk)
        return chunk

    def content(self, attributes: Attributes) -> Content:
        return Content(self._hash.hexdigest(), self._size, attributes)


async def in_flight(
    function: Callable[[T], Coroutine[object, object, R]], tasks: Iterable[T], *, most: int = 64
) -> list[R]:
    """Run a coroutine for every task, with few started ahead of the budget; results in order of
    tasks. The first error cancels the rest."""
    results: list[R | None] = []
    waiting = iter(enumerate(tasks))

    async def work() -> None:
        for number, task in waiting:
            while len(results) <= number:
                results.append(None)
            results[number] = await function(task)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(most):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return results  # type: ignore[return-value]  # every place was filled
