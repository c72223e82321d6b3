"""What the demo's buckets must look like before and after: objects. Independent of the scan."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator

import msgspec

from domicile.sites.objects.model import Attributes, ObjectSite, ObjectVersion

__all__ = ["Objects", "Stored", "compare_objects", "owner_of", "read_objects"]

_PUBLIC = ("public", "avatars")
_PROTECTED = ("private", "drafts", "exports")
_SHOWN = 3


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """One version or marker, with its bytes' digest ("" for a marker)."""

    version_id: str
    is_latest: bool
    is_marker: bool
    sha256: str
    attributes: Attributes

    @property
    def content(self) -> tuple[str, Attributes]:
        """What must be equal at home."""
        return self.sha256, self.attributes


class Objects(msgspec.Struct, frozen=True):
    """A bucket: every version by key, and the unfinished uploads (key and id)."""

    versions: dict[str, list[Stored]]
    uploads: list[tuple[str, str]]


def owner_of(key: str, senders: dict[str, int]) -> int | None:
    """Whose protected object a key is; None for a public one. Raises `KeyError` for a key that is
    not of this world."""
    folder, _, rest = key.partition("/")
    if folder in _PUBLIC:
        return None
    if folder in _PROTECTED:
        return int(rest.partition("/")[0])
    return senders[key]


def read_objects(site: ObjectSite) -> Objects:
    """Read a whole bucket, every byte of every version."""
    return asyncio.run(_read(site))


async def _read(site: ObjectSite) -> Objects:
    found: dict[str, list[Stored]] = {}
    for page in site.versions():
        for stored in await asyncio.gather(*(_stored(site, version) for version in page)):
            found.setdefault(stored[0], []).append(stored[1])
    uploads = [(upload.key, upload.upload_id) for page in site.uploads() for upload in page]
    return Objects(found, sorted(uploads))


async def _stored(site: ObjectSite, version: ObjectVersion) -> tuple[str, Stored]:
    digest, attributes = "", Attributes()
    if not version.is_marker:
        opened = await site.read(version.key, version.version_id)
        attributes, hashed = opened.attributes, hashlib.sha256()
        async for chunk in opened.chunks:
            hashed.update(chunk)
        digest = hashed.hexdigest()
    return version.key, Stored(
        version.version_id, version.is_latest, version.is_marker, digest, attributes
    )


def compare_objects(
    before: dict[str, Objects],
    members: frozenset[int],
    senders: dict[str, int],
    home: Objects,
    others: dict[str, Objects],
) -> list[str]:
    """Everything wrong at home and on the other sites. before and others: by site."""
    problems = [*_home_problems(before, members, senders, home)]
    for site, after in others.items():
        found = _left(before[site], members, senders, after)
        problems.extend(f"{site}: {problem}" for problem in found)
    return problems


def _is_mine(key: str, members: frozenset[int], senders: dict[str, int]) -> bool:
    return owner_of(key, senders) in members


def _home_problems(
    before: dict[str, Objects],
    members: frozenset[int],
    senders: dict[str, int],
    home: Objects,
) -> Iterator[str]:
    for site, old in before.items():
        for key, versions in old.versions.items():
            if _is_mine(key, members, senders):
                yield from _missing(site, key, versions, home.versions.get(key, []))
    for key in home.versions:
        if all(key not in old.versions for old in before.values()):
            yield f"home: {key!r} comes from nowhere"
        elif owner_of(key, senders) is not None and not _is_mine(key, members, senders):
            yield f"home: {key!r} is a non-member's protected object"
    yield from (f"home: {key!r} has an unfinished upload" for key, _ in home.uploads)


def _missing(site: str, key: str, old: list[Stored], new: list[Stored]) -> Iterator[str]:
    contents = {stored.content for stored in new if not stored.is_marker}
    for stored in old:
        if not stored.is_marker and stored.content not in contents:
            yield f"home: {key!r}: version {stored.version_id} of {site} is missing or differs"
    was = next(stored for stored in old if stored.is_latest)
    now = next((stored for stored in new if stored.is_latest), None)
    if now is None:
        return
    if was.is_marker and not now.is_marker:
        yield f"home: {key!r} was deleted at {site} and is current again"
    elif was.content != now.content:
        yield f"home: {key!r}: the current version is not that of {site}"


def _left(
    before: Objects, members: frozenset[int], senders: dict[str, int], after: Objects
) -> Iterator[str]:
    for key in sorted(before.versions.keys() | after.versions.keys()):
        if _is_mine(key, members, senders):
            if key in after.versions:
                yield f"{key!r}: {len(after.versions[key])} versions of a member's object remain"
        elif before.versions.get(key) != after.versions.get(key):
            yield f"{key!r}: versions of somebody else's or a public object changed"
    remaining = set(after.uploads)
    for upload in sorted(set(before.uploads) | remaining):
        if _is_mine(upload[0], members, senders):
            if upload in remaining:
                yield f"{upload[0]!r}: an unfinished upload of a member's object remains"
        elif (upload in before.uploads) != (upload in remaining):
            yield f"{upload[0]!r}: somebody else's unfinished upload changed"
