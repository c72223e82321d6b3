"""What the tests of object sites share: streams in, bytes out, keys that hurt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from domicile.sites.objects import (
    Attributes,
    ObjectRead,
    ObjectSite,
    ObjectVersion,
    Span,
    VersionRef,
)

NONE = Attributes()

# Keys that any S3 holds.
ODD_KEYS = (
    "a",
    "a/b",
    "a//b",
    "/a",
    "//",
    "a/",
    ".",
    "..",
    "../up",
    "a/../b",
    "./a",
    "%2F",
    "%",
    "a b",
    "a+b",
    "a!",
    "a@",
    "@",
    "tab\there",
    "\x01",
    "\r",
    "\n",
    "\x7f",
    "q?x=1#f&y",
    "'\"<>&",
    "back\\slash",
    "über/straße",
    "\ufeffbom",
    "\U0001f600",
    "/" * 1024,
    "k" * 1024,
    "\u00fc" * 512,
    "." * 300,
)
# Keys that a store backed by directories holds too.
PLAIN_KEYS = ("a!", "a/b", "a/c d", "b+c", "q?x=1#f&y", "über/straße", "x%2Fy", "'\"<>&")


async def stream(data: bytes, step: int = 200_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


def write(site: ObjectSite, key: str, data: bytes = b"x", attributes: Attributes = NONE) -> str:
    return asyncio.run(site.write(key, stream(data), attributes, len(data)))


async def read_all(
    site: ObjectSite, key: str, version_id: str | None = None, span: Span | None = None
) -> tuple[ObjectRead, bytes]:
    opened = await site.read(key, version_id, span)
    return opened, b"".join([chunk async for chunk in opened.chunks])


def read(
    site: ObjectSite, key: str, version_id: str | None = None, span: Span | None = None
) -> tuple[ObjectRead, bytes]:
    return asyncio.run(read_all(site, key, version_id, span))


def listed(site: ObjectSite, prefix: str = "", after: str = "") -> list[ObjectVersion]:
    return [version for page in site.versions(prefix, after) for version in page]


def refs(versions: list[ObjectVersion]) -> list[VersionRef]:
    return [VersionRef(version.key, version.version_id) for version in versions]
