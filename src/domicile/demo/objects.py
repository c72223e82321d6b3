"""Fill the demo's buckets: videos, avatars, drafts, attachments, with the past of each.

The database says which objects there are. Some keys have older versions, some were deleted under
a delete marker, some uploads were never finished. The backup holds the same, and an older copy of
some objects besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Protocol

import psycopg
from psycopg.rows import args_row

from domicile.demo import media
from domicile.demo.world import World
from domicile.sites.objects.model import Attributes, ObjectSite

__all__ = ["Bucket", "Planned", "fill", "planned"]

Progress = Callable[[str, int], None]

_AT_ONCE = 32


class Bucket(ObjectSite, Protocol):
    """An object site in which an upload can be left unfinished."""

    def begin_upload(self, key: str) -> str:
        """Begin an upload and return its id."""
        ...

    def put_part(self, upload_id: str, number: int, data: bytes) -> None:
        """Store one part of it, numbered from 1."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """One key. person: whom the database or the key names. revisions: how often it was written;
    is_deleted: a delete marker lies on top; is_stale_in_backup: the backup holds the current
    content twice; has_upload: an upload over it was begun and left."""

    key: str
    person: int
    kind: str
    revisions: int
    is_deleted: bool
    is_stale_in_backup: bool
    has_upload: bool


_KEYS = """
SELECT key, person FROM (
SELECT avatar_key, id FROM users WHERE avatar_key IS NOT NULL
UNION ALL SELECT object_key, author_id FROM videos WHERE object_key IS NOT NULL
UNION ALL SELECT object_key, owner_id FROM drafts WHERE object_key IS NOT NULL
UNION ALL SELECT attachment_key, sender_id FROM direct_messages WHERE attachment_key IS NOT NULL
) AS keys (key, person) ORDER BY key COLLATE "C"
"""
_MAKERS: dict[str, tuple[str, Callable[[Random], bytes]]] = {
    "avatars": ("image/png", media.png),
    "public": ("video/mp4", media.mp4),
    "private": ("video/mp4", media.mp4),
    "drafts": ("video/mp4", media.mp4),
    "attachments": ("image/jpeg", media.jpeg),
    "exports": ("application/json", media.document),
}


def planned(url: str, world: World) -> Iterator[Planned]:
    """Every key of the world whose database is at ``url``, with its past, always the same."""
    lot = world.random("objects").random
    with psycopg.connect(url) as connection:
        connection.execute("SET cursor_tuple_fraction = 1.0")
        with connection.cursor("keys", row_factory=args_row(_owned)) as cursor:
            for key, person in cursor.execute(_KEYS):
                yield _plan(key, person, lot)
    for person in range(1, world.people + 1):
        if world.has_export(person):
            yield _plan(f"exports/{person}/data.json", person, lot)


def _owned(key: str, person: int) -> tuple[str, int]:
    return key, person


def _plan(key: str, person: int, lot: Callable[[], float]) -> Planned:
    past = lot()
    return Planned(
        key=key,
        person=person,
        kind=key.partition("/")[0],
        revisions=1 + (past < 0.08) + (past < 0.02),
        is_deleted=lot() < 0.03,
        is_stale_in_backup=lot() < 0.05,
        has_upload=lot() < 0.015,
    )


def _attributes(kind: str, rng: Random) -> Attributes:
    """What travels with an object: differs by kind, and from object to object."""
    is_public = kind in ("public", "avatars")
    is_download = kind in ("attachments", "exports")
    metadata = {"client": f"app-{rng.randrange(20, 34)}.{rng.randrange(10)}"}
    if rng.random() < 0.3:
        metadata["original-name"] = f"IMG_{rng.randrange(10_000):04}.MOV"
    tags = {"moderation": rng.choice(("passed", "waiting"))} if rng.random() < 0.3 else {}
    return Attributes(
        content_type=_MAKERS[kind][0],
        cache_control="public, max-age=31536000" if is_public else "private, no-store",
        content_disposition=f'attachment; filename="{kind}"' if is_download else "",
        content_language=rng.choice(("en", "es", "id")) if kind == "public" else "",
        metadata=tuple(sorted(metadata.items())),
        tags=tuple(sorted(tags.items())),
    )


def fill(
    everything: Iterable[Planned],
    world: World,
    primary: Bucket,
    backup: Bucket,
    progress: Progress = lambda _what, _more: None,
) -> int:
    """Write the planned objects into both buckets and return the number of keys."""
    return asyncio.run(_fill(iter(everything), world, (primary, backup), progress))


async def _fill(
    everything: Iterator[Planned], world: World, buckets: Sequence[Bucket], progress: Progress
) -> int:
    keys = 0
    for batch in iter(lambda: list(islice(everything, _AT_ONCE)), []):
        await asyncio.gather(*(_put(one, world, buckets) for one in batch))
        keys += len(batch)
        progress("objects", len(batch))
    return keys


async def _put(one: Planned, world: World, buckets: Sequence[Bucket]) -> None:
    for revision in range(one.revisions):
        rng = world.random(f"object {one.key} {revision}")
        data = _MAKERS[one.kind][1](rng)
        described = _attributes(one.kind, rng)
        for bucket in buckets:
            await bucket.write(one.key, _once(data), described, len(data))
    if one.is_stale_in_backup:
        await buckets[-1].write(one.key, _once(data), described, len(data))
    for bucket in buckets:
        if one.is_deleted:
            await bucket.put_marker(one.key)
        if one.has_upload:
            bucket.put_part(bucket.begin_upload(one.key), 1, data[: len(data) // 2])


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
