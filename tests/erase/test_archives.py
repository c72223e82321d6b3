"""Rewriting archives on stores that do what stores do: suspend versioning, give back something
else, take the application's writes meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, BinaryIO, Self, cast

import pytest

import domicile.erase.archives as module
from domicile.erase.archives import erase_with_archives
from domicile.errors import SiteMissing
from domicile.inventory.archives import _fetch
from domicile.sites.objects import (
    Attributes,
    DeleteFailure,
    ObjectRead,
    ObjectSite,
    ObjectVersion,
    Span,
    VersionRef,
)

CSV = Attributes(content_type="text/csv")
BEFORE = b"id,x\n7,a\n8,b\n9,c\n"
AFTER = b"id,x\n8,b\n9,c\n"
FRESH = b"id,x\n10,fresh\n"


@dataclass
class Store:
    """One key's versions, newest first: id, bytes, attributes. suspended: what is written has the
    id ``null``. changed: what a write makes of its bytes and attributes; meanwhile: runs once, with
    the first read."""

    versions_of_k: list[tuple[str, bytes, Attributes]]
    suspended: bool = False
    changed: Callable[[bytes, Attributes], tuple[bytes, Attributes]] = lambda d, a: (d, a)
    meanwhile: list[Callable[[Store], None]] = field(default_factory=list)
    name: str = "old"

    def put(self, version_id: str, data: bytes, attributes: Attributes = CSV) -> None:
        others = [each for each in self.versions_of_k if each[0] != version_id]
        self.versions_of_k = [(version_id, data, attributes), *others]

    @property
    def lies(self) -> list[tuple[str, bytes]]:
        return [(version_id, data) for version_id, data, _ in self.versions_of_k]

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        assert not prefix
        assert after < "k" <= (until or "k")
        now, is_marker = datetime.now(UTC), False
        yield [
            ObjectVersion("k", i, at == 0, is_marker, len(d), hashlib.sha256(d).hexdigest(), now)
            for at, (i, d, _) in enumerate(self.versions_of_k)
        ]

    async def read(
        self, _key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        assert span is None
        for found, data, attributes in self.versions_of_k:
            if found == version_id:
                if self.meanwhile:
                    self.meanwhile.pop()(self)
                return ObjectRead(
                    attributes, len(data), found, "e", datetime.now(UTC), _at_once(data)
                )
        raise SiteMissing("gone")

    async def write(
        self, _key: str, chunks: AsyncIterator[bytes], attributes: Attributes, _size: int
    ) -> str:
        data = b"".join([chunk async for chunk in chunks])
        version_id = "null" if self.suspended else f"w{len(self.versions_of_k)}"
        self.put(version_id, *self.changed(data, attributes))
        return version_id

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        gone = {ref.version_id for ref in refs}
        self.versions_of_k = [each for each in self.versions_of_k if each[0] not in gone]
        return []


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data


class Spools:
    """As `Archives`, without an estate."""

    def __init__(self, *_: object) -> None: ...

    @contextmanager
    def fetched(
        self, site: ObjectSite, key: str, version_id: str
    ) -> Iterator[tuple[BinaryIO, Attributes]]:
        with self.scratch() as file:
            attributes = asyncio.run(_fetch(site, key, version_id, file))
            file.seek(0)
            yield file, attributes

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as file:
            yield cast("BinaryIO", file)


class Nobody:
    """A register that nobody is asked for in: see `seven`."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def seven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Person 7 is the one member."""
    monkeypatch.setattr(module, "Archives", Spools)
    monkeypatch.setattr(module, "Register", Nobody)
    monkeypatch.setattr(module, "memberships", lambda _, keys: [key == ("7",) for key in keys])


def erase(store: Store, version_id: str = "v1") -> tuple[str, str]:
    """State and reason of the one verified version after an erasure."""
    dataset = SimpleNamespace(treatment="rewrite", person=("id",), is_archive=True)
    estate = SimpleNamespace(charter=SimpleNamespace(objects={"exports": dataset}))
    here: Any = SimpleNamespace(estate=estate, run=SimpleNamespace(people=None, people_index=None))
    proof = {
        "site": "old",
        "kind": "version",
        "state": "verified",
        "key": "k",
        "version_id": version_id,
        "home_version_id": "h",
        "dataset": "exports",
        "size_bytes": len(BEFORE),
        "etag": hashlib.sha256(BEFORE).hexdigest(),
        "sha256": hashlib.sha256(BEFORE).hexdigest(),
        "reason": "",
    }
    (row,) = erase_with_archives(here, cast("ObjectSite", store), [proof])
    return str(row["state"]), str(row["reason"])


def test_others_rows_stay_and_the_verified_version_goes() -> None:
    store = Store([("v1", BEFORE, CSV)])
    assert erase(store) == ("erased", "")
    assert store.lies == [("w1", AFTER)]
    assert erase(store) == ("erased", "")  # again: nothing of it is there
    assert store.lies == [("w1", AFTER)]


def test_where_versioning_is_suspended_the_old_version_is_erased_by_its_id() -> None:
    store = Store([("v1", BEFORE, CSV)], suspended=True)
    assert erase(store) == ("erased", "")
    assert store.lies == [("null", AFTER)]


def test_without_versions_what_is_written_takes_the_old_ones_place() -> None:
    store = Store([("null", BEFORE, CSV)], suspended=True)
    assert erase(store, "null") == ("erased", "")
    assert store.lies == [("null", AFTER)]


@pytest.mark.parametrize(
    "changed",
    [
        lambda data, attributes: (data[:-2] + b"\n", attributes),
        lambda data, _: (data, Attributes()),
        lambda _, attributes: (b"\x1f\x8b\x08 no more", attributes),
    ],
)
def test_a_store_that_gives_back_something_else_keeps_the_verified_version_however_often(
    changed: Callable[[bytes, Attributes], tuple[bytes, Attributes]],
) -> None:
    store = Store([("v1", BEFORE, CSV)], changed=changed)
    for _ in range(2):
        state, reason = erase(store)
        assert (state, "is not what was written" in reason) == ("failed", True)
        assert store.lies == [("v1", BEFORE)]


@pytest.mark.parametrize(("version_id", "fresh"), [("v1", "v2"), ("null", "null")])
def test_what_the_application_writes_meanwhile_is_not_covered(version_id: str, fresh: str) -> None:
    store = Store([(version_id, BEFORE, CSV)], suspended=version_id == "null")
    store.meanwhile.append(lambda self: self.put(fresh, FRESH))
    state, reason = erase(store, version_id)
    assert (state, "it changed" in reason) == ("failed", True)
    assert store.lies[0] == (fresh, FRESH)
