"""Where a ledger lies: the charter's own, a directory, a web server, or a bucket of a site."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from domicile.charter import LoadedCharter, ObjectSiteConfig, load_charter
from domicile.errors import SiteMissing, SiteRefused, UsageError
from domicile.inventory import ledger_directory, quorum
from domicile.ledger import DirectorySource, DirectoryTarget, HttpSource, Source, Target
from domicile.ledger.sources import unreadable
from domicile.ledger.tiles import Tile
from domicile.ledger.witnesses import Quorum
from domicile.sites.objects import Attributes, ObjectSite, VersionRef, open_object_site

__all__ = ["Place", "SiteTarget", "find_source", "find_target", "own_log"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A log that may be read, the records beside it, if they are, and whose cosignatures the
    charter asks for, if it is the charter's own."""

    source: Source
    records: Path | None
    quorum: Quorum | None = None


def own_log(charter: Path) -> Place:
    """The charter's own."""
    loaded = load_charter(charter)
    records = _records(loaded)
    source = DirectorySource(ledger_directory(records))
    return Place(source, records, quorum(loaded.charter))


def find_source(location: str, charter: Path) -> Place:
    """What a reader means by a location: a URL, a directory, or ``SITE[/PREFIX]`` of the charter.
    Raises UsageError where it is none of them."""
    if location.startswith(("http://", "https://")):
        return Place(HttpSource(location), None)
    if Path(location).is_dir():
        directory = Path(location).resolve()
        beside = directory.parent
        whole = ledger_directory(beside) == directory and (beside / "runs").is_dir()
        return Place(DirectorySource(directory), beside if whole else None)
    site = _site(location, charter)
    if site is None:
        raise _nowhere(location)
    return Place(site, None)


def find_target(location: str, charter: Path) -> Target:
    """Where a log is to be published: ``SITE[/PREFIX]`` of the charter, or a directory, which is
    made."""
    site = _site(location, charter)
    if site is not None:
        return site
    if "://" in location:
        raise _nowhere(location)
    return DirectoryTarget(Path(location).resolve())


def _site(location: str, charter: Path) -> SiteTarget | None:
    name, _, prefix = location.partition("/")
    if not charter.is_file():
        return None
    loaded = load_charter(charter)
    config = loaded.charter.sites.get(name)
    if not isinstance(config, ObjectSiteConfig):
        return None
    base = loaded.path.resolve().parent
    return SiteTarget(name, prefix.rstrip("/") + "/" if prefix else "", _Opening(config, base))


def _records(loaded: LoadedCharter) -> Path:
    return loaded.path.resolve().parent / loaded.charter.records.directory


@dataclass(frozen=True)
class _Opening:
    """How to reach a site, in whatever process; secrets stay in the environment."""

    config: ObjectSiteConfig = field(hash=False)
    base: Path


class _Reached:
    """A site with an event loop of its own."""

    def __init__(self, name: str, opening: _Opening) -> None:
        self.site: ObjectSite = open_object_site(name, opening.config, opening.base, os.environ)
        self._runner = asyncio.Runner()

    def run(self, act: Callable[[ObjectSite], Awaitable[T]]) -> T:
        """Do something with the site."""

        async def acting() -> T:
            return await act(self.site)

        return self._runner.run(acting())


@lru_cache(maxsize=4)
def _reach(name: str, opening: _Opening, _process: int) -> _Reached:
    """Opened once a process: a connection is not for two of them."""
    return _Reached(name, opening)


@dataclass(frozen=True, slots=True)
class SiteTarget:
    """A log in a bucket, or in a directory that keeps versions, under a prefix."""

    site: str
    prefix: str
    opening: _Opening

    @property
    def place(self) -> str:
        """The site's name."""
        return f"site {self.site}, {self.prefix or 'at its top'}"

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """See `Source.read`."""

        async def reading(site: ObjectSite) -> bytes:
            opened = await site.read(self.prefix + name)
            if opened.size_bytes > limit_bytes:
                raise unreadable(f"{name} has more than {limit_bytes:,} bytes")
            return b"".join([chunk async for chunk in opened.chunks])

        try:
            return self._reached.run(reading)
        except SiteMissing:
            return None

    def tiles(self) -> Iterator[Tile]:
        """See `Source.tiles`."""
        for page in self._reached.site.versions(f"{self.prefix}tile/"):
            for version in page:
                tile = Tile.parse(version.key.removeprefix(self.prefix))
                if tile is not None and version.is_latest and not version.is_marker:
                    yield tile

    def write(self, name: str, data: bytes) -> None:
        """See `Target.write`."""
        kind = "text/plain; charset=utf-8" if "/" not in name else "application/octet-stream"

        async def writing(site: ObjectSite) -> str:
            attributes = Attributes(content_type=kind)
            return await site.write(self.prefix + name, _at_once(data), attributes, len(data))

        self._reached.run(writing)

    def drop_partials(self, tile: Tile) -> None:
        """See `Target.drop_partials`."""
        site = self._reached.site
        for page in site.versions(f"{self.prefix}{tile.path}.p/"):
            refs = [VersionRef(version.key, version.version_id) for version in page]
            for failure in site.delete(refs):
                raise SiteRefused(
                    f"site {self.site}: {failure.ref.key} could not be removed: {failure.reason}",
                    expected="credentials that may delete object versions",
                    next_step="publish again with such credentials; readers are not affected",
                )

    @property
    def _reached(self) -> _Reached:
        return _reach(self.site, self.opening, os.getpid())


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _nowhere(location: str) -> UsageError:
    return UsageError(
        f"{location[:200]!r} is no place of a ledger",
        expected="a directory, an http(s) URL, or SITE[/PREFIX] with an object site of the charter",
        next_step="check the spelling; for a site, name its charter with --charter",
    )
