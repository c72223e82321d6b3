"""The contract of every object site, on every store that there is.

What a store declares that it lacks is not tested on it, and that it declares so is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from domicile.custody.sealing import SealedStore
from domicile.custody.streaming_aead import sealed_size
from domicile.errors import SiteMissing, SiteRefused, SourceChanged
from domicile.sites.objects import (
    Attributes,
    DirectorySite,
    ObjectSite,
    Span,
    Upload,
    VersionRef,
)
from domicile.sites.objects.s3 import S3Site
from tests.custody.sealed import MemoryKeys, seal_store
from tests.services.objects import MakeBucket, TestBucket
from tests.sites.object_tools import NONE, ODD_KEYS, PLAIN_KEYS, listed, read, read_all, refs, write

FULL = Attributes(
    content_type="text/plain; charset=utf-8",
    cache_control="no-store",
    content_disposition='attachment; filename="a b.txt"',
    content_encoding="gzip",
    content_language="de",
    metadata=(("colour", "deep  blue"), ("empty", ""), ("owner", "42")),
    tags=(("class", "a&b=c+d/é"), ("with space", "")),
)
STORES = (
    "directory",
    "rgw-versioned",
    "rgw-unversioned",
    "rgw-locked",
    "rclone",
    "sealed-rgw-versioned",
)
VERSIONED = ("directory", "rgw-versioned", "rgw-locked", "sealed-rgw-versioned")


@pytest.fixture(params=STORES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectSite]:
    opened = open_store(request, request.param, tmp_path)
    yield opened
    opened.close()


def open_store(request: pytest.FixtureRequest, store: str, tmp_path: Path) -> ObjectSite:
    if store == "directory":
        directory = DirectorySite("store", tmp_path / "store")
        directory.create()
        return directory
    if store == "rclone":
        rclone: Callable[[], TestBucket] = request.getfixturevalue("rclone_s3")
        return rclone().site("store")
    make: MakeBucket = request.getfixturevalue("rgw_bucket")
    opened = make(versioned=store in VERSIONED, locked=store == "rgw-locked").site("store")
    return seal_store(opened, MemoryKeys()) if store.startswith("sealed") else opened


def lying(site: ObjectSite, size: int) -> int:
    """How many bytes lie there for so many."""
    return sealed_size(size) if isinstance(site, SealedStore) else size


@pytest.fixture
def versioned(site: ObjectSite) -> ObjectSite:
    if not site.capabilities().versions:
        pytest.skip("this store declares that it keeps no versions")
    return site


def keeps_every_key(site: ObjectSite) -> bool:
    return isinstance(site, DirectorySite) or site.capabilities().tags


def test_capabilities_are_what_the_store_has(
    site: ObjectSite, request: pytest.FixtureRequest
) -> None:
    found = site.capabilities()
    store = request.node.callspec.params["site"]
    assert found.versions == (store in VERSIONED)
    assert found.holds == (store == "rgw-locked")
    assert found.tags == (store != "rclone")
    assert found.uploads


def test_check_leaves_nothing_behind(site: ObjectSite) -> None:
    site.check(write=True)
    assert listed(site) == []


def test_an_empty_store_lists_nothing(site: ObjectSite) -> None:
    assert list(site.versions()) == []
    assert list(site.uploads()) == []


def test_every_key_comes_back_as_it_was_and_in_byte_order(site: ObjectSite) -> None:
    keys = ODD_KEYS if keeps_every_key(site) else PLAIN_KEYS
    for key in keys:
        write(site, key, key.encode())
    assert [version.key for version in listed(site)] == sorted(keys, key=str.encode)
    for key in keys:
        assert read(site, key)[1] == key.encode()
    assert site.delete(refs(listed(site))) == []
    assert listed(site) == []


LISTED_KEYS = ("a!", "a/b", "a/bc", "ab", "b", "über")


@pytest.fixture(scope="module", params=STORES)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObjectSite]:
    """A store with some keys, one of them written twice, for tests that only list."""
    opened = open_store(request, request.param, tmp_path_factory.mktemp("filled"))
    for key in (*LISTED_KEYS, "a/b"):
        write(opened, key)
    yield opened
    opened.close()


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "b", "ü", "nothing"])
def test_a_prefix_selects_by_the_beginning_of_the_key(filled: ObjectSite, prefix: str) -> None:
    found = [version.key for version in listed(filled, prefix)]
    times = {"a/b": 2 if filled.capabilities().versions else 1}
    expected = [key for key in LISTED_KEYS for _ in range(times.get(key, 1))]
    assert found == [key for key in expected if key.startswith(prefix)]


@pytest.mark.parametrize("after", ["", "a!", "a", "a/", "a/b", "ab", "b", "über", "\U0001f600"])
def test_a_listing_begins_after_a_key_and_without_it(filled: ObjectSite, after: str) -> None:
    found = {version.key for version in listed(filled, after=after)}
    assert found == {key for key in LISTED_KEYS if key.encode() > after.encode()}
    up_to = {version.key for page in filled.versions(until=after) for version in page}
    assert up_to == {key for key in LISTED_KEYS if not after or key.encode() <= after.encode()}
    within = {version.key for version in listed(filled, "a/", after)}
    assert within == {key for key in found if key.startswith("a/")}


def test_a_span_is_what_lies_there(site: ObjectSite) -> None:
    size = (2 << 20) + 7
    data = hashlib.shake_128(b"seed").digest(size)
    version_id = write(site, "sized", data)
    edges = (0, 1, 1 << 20, (1 << 20) - 56, (1 << 20) - 16, (2 << 20) - 72, size - 1)
    for start in edges:
        for length in (1, 100, 1 << 20, size):
            opened, found = read(site, "sized", version_id, Span(start, start + length))
            assert found == data[start : start + length]
            assert (opened.size_bytes, opened.version_id) == (size, version_id)
    assert read(site, "sized", span=Span(5, 9))[1] == data[5:9]


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_a_span_behind_the_end_is_refused(site: ObjectSite, size: int) -> None:
    write(site, "sized", b"x" * size)
    for start in (size, size + 1):
        with pytest.raises(SiteRefused):
            read(site, "sized", span=Span(start, start + 10))
    with pytest.raises(SiteMissing):
        read(site, "absent", span=Span(0, 1))


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 8 << 20, (20 << 20) + 7])
def test_bytes_come_back_whatever_the_size(site: ObjectSite, size: int) -> None:
    data = hashlib.shake_128(b"seed").digest(size)
    version_id = write(site, "sized", data)
    opened, found = read(site, "sized", version_id)
    assert found == data
    assert (opened.size_bytes, opened.version_id) == (size, version_id)
    (version,) = listed(site)
    assert (version.version_id, version.size_bytes) == (version_id, lying(site, size))
    assert list(site.uploads()) == []


@pytest.mark.parametrize("size", [5, 9 << 20])
def test_attributes_and_tags_travel(site: ObjectSite, size: int) -> None:
    if not keeps_every_key(site):
        pytest.skip("this store declares that it keeps no tags, and metadata it keeps in memory")
    version_id = write(site, "attributed", b"x" * size, FULL)
    assert read(site, "attributed", version_id)[0].attributes == FULL
    assert read(site, "attributed")[0].attributes == FULL


def test_an_object_without_attributes_has_none(site: ObjectSite) -> None:
    write(site, "bare", b"x", NONE)
    found = read(site, "bare")[0].attributes
    assert replace(found, content_type="", metadata=()) == NONE
    if keeps_every_key(site):
        assert found == NONE


def test_metadata_named_like_a_header_stays_metadata(site: ObjectSite) -> None:
    if not keeps_every_key(site):
        pytest.skip("this store adds metadata of its own")
    attributes = Attributes(content_type="a/b", metadata=(("content-type", "c/d"),))
    write(site, "named", b"x", attributes)
    assert read(site, "named")[0].attributes == attributes


def test_tags_are_refused_where_they_would_be_dropped(site: ObjectSite) -> None:
    if site.capabilities().tags:
        pytest.skip("this store keeps tags")
    with pytest.raises(SiteRefused, match="tags"):
        write(site, "tagged", b"x", Attributes(tags=(("a", "b"),)))
    assert listed(site) == []


def test_a_write_replaces_what_is_current(site: ObjectSite) -> None:
    write(site, "key", b"old")
    write(site, "key", b"newer")
    assert read(site, "key")[1] == b"newer"
    latest = [version for version in listed(site) if version.is_latest]
    assert [version.size_bytes for version in latest] == [lying(site, 5)]


def test_history_lists_newest_first_and_every_version_can_be_read(versioned: ObjectSite) -> None:
    first = write(versioned, "key", b"1")
    marker = asyncio.run(versioned.put_marker("key"))
    second = write(versioned, "key", b"22")
    third = write(versioned, "key", b"333")
    last = asyncio.run(versioned.put_marker("key"))
    found = listed(versioned)
    assert [version.version_id for version in found] == [last, third, second, marker, first]
    assert [version.is_marker for version in found] == [True, False, False, True, False]
    assert [version.is_latest for version in found] == [True, False, False, False, False]
    sizes = [lying(versioned, size) for size in (3, 2, 1)]
    assert [version.size_bytes for version in found] == [0, *sizes[:2], 0, sizes[2]]
    assert read(versioned, "key", first)[1] == b"1"
    with pytest.raises(SiteMissing):
        read(versioned, "key")
    with pytest.raises(SiteMissing):
        read(versioned, "key", marker)


def test_a_read_tells_the_etag_and_the_time_that_the_listing_tells(site: ObjectSite) -> None:
    write(site, "key", b"some bytes")
    (version,) = listed(site)
    for span in (None, Span(2, 4)):
        opened = asyncio.run(site.read("key", span=span))
        assert opened.etag.strip('"') == version.etag.strip('"')
        assert opened.modified == version.modified.replace(microsecond=0)


def test_deleting_the_newest_version_by_id_uncovers_the_one_below(versioned: ObjectSite) -> None:
    write(versioned, "key", b"below")
    marker = asyncio.run(versioned.put_marker("key"))
    assert versioned.delete([VersionRef("key", marker)]) == []
    assert read(versioned, "key")[1] == b"below"
    assert [version.is_latest for version in listed(versioned)] == [True]


def test_a_marker_is_refused_where_it_would_be_a_deletion(site: ObjectSite) -> None:
    write(site, "key", b"kept")
    if site.capabilities().versions:
        asyncio.run(site.put_marker("key"))
        assert sum(version.is_marker for version in listed(site)) == 1
    else:
        with pytest.raises(SiteRefused, match="delete marker"):
            asyncio.run(site.put_marker("key"))
        assert read(site, "key")[1] == b"kept"


def test_deletion_takes_those_versions_only_and_absent_ones_count_as_deleted(
    site: ObjectSite,
) -> None:
    write(site, "gone", b"1")
    write(site, "stays", b"2")
    (gone, _) = refs(listed(site))
    absent = VersionRef("never-was", gone.version_id)
    assert site.delete([gone, absent]) == []
    assert site.delete([gone]) == []
    assert [version.key for version in listed(site)] == ["stays"]


def test_pages_hold_every_version_of_a_long_listing(versioned: ObjectSite) -> None:
    async def write_many() -> None:
        for _ in range(3):
            await asyncio.gather(*(one(number) for number in range(360)))

    async def one(number: int) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"x"

        await versioned.write(f"{number % 7}/{number}", body(), NONE, 1)

    asyncio.run(write_many())
    pages = list(versioned.versions())
    assert all(len(page) <= 1000 for page in pages)
    assert len(pages) > 1
    found = [version for page in pages for version in page]
    keys = [version.key for version in found]
    assert len(found) == len({(version.key, version.version_id) for version in found}) == 1080
    assert keys == sorted(keys)
    assert versioned.delete(refs(found)) == []
    assert listed(versioned) == []


@pytest.mark.parametrize("key", ["never", "dir/never", "dir"])
def test_an_absent_object_is_missing(site: ObjectSite, key: str) -> None:
    write(site, "dir/there")
    with pytest.raises(SiteMissing):
        read(site, key)


def test_an_absent_version_is_missing(versioned: ObjectSite) -> None:
    version_id = write(versioned, "key")
    write(versioned, "other")
    with pytest.raises(SiteMissing):
        read(versioned, "other", version_id)


@pytest.mark.parametrize("announced", [2, 9, 30 << 20])
def test_a_stream_of_another_length_stores_nothing(site: ObjectSite, announced: int) -> None:
    async def five() -> AsyncIterator[bytes]:
        yield b"12345"

    with pytest.raises(SourceChanged):
        asyncio.run(site.write("short", five(), NONE, announced))
    assert listed(site) == []
    assert list(site.uploads()) == []


@pytest.mark.parametrize("after", [3, 20 << 20])
def test_a_source_that_breaks_stores_nothing(site: ObjectSite, after: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(0, after, 1 << 20):
            yield b"x" * (1 << 20)
        raise SiteRefused("the source broke")

    with pytest.raises(SiteRefused, match="the source broke"):
        asyncio.run(site.write("broken", breaking(), NONE, 40 << 20))
    assert listed(site) == []
    assert list(site.uploads()) == []


def test_a_cancelled_write_stores_nothing(site: ObjectSite) -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield b"x" * (17 << 20)
        await asyncio.sleep(60)

    async def cancel() -> None:
        writing = asyncio.create_task(site.write("stalled", stalling(), NONE, 40 << 20))
        await asyncio.sleep(0.5)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

    asyncio.run(cancel())
    assert listed(site) == []
    assert list(site.uploads()) == []


def test_unfinished_uploads_are_listed_with_their_size_and_aborted(site: ObjectSite) -> None:
    keys = ["plain", "up load+ü/%2F" if keeps_every_key(site) else "up load"]
    begun = sorted((key, begin_upload(site, key, b"x" * 1234)) for key in keys)
    found = [upload for page in site.uploads() for upload in page]
    assert [(upload.key, upload.upload_id) for upload in found] == begun
    assert [upload.size_bytes for upload in found] == [1234, 1234]
    assert [upload.key for page in site.uploads("pl") for upload in page] == ["plain"]
    assert listed(site) == []
    for upload in found:
        site.abort(upload)
        site.abort(upload)
    assert list(site.uploads()) == []


def begin_upload(site: ObjectSite, key: str, part: bytes) -> str:
    if isinstance(site, SealedStore):
        return begin_upload(site.store, key, part)
    if isinstance(site, DirectorySite):
        begun = site.begin_upload(key)
        site.put_part(begun, 1, part)
        return begun
    assert isinstance(site, S3Site)
    client, bucket = site._client, site._bucket.bucket
    upload_id: str = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=part)
    return upload_id


def test_an_unknown_upload_counts_as_aborted(site: ObjectSite) -> None:
    upload = Upload("key", "0" * 24, listed_moment(site), 0)
    site.abort(upload)
    assert list(site.uploads()) == []


def listed_moment(site: ObjectSite) -> datetime:
    write(site, "moment")
    (version,) = listed(site)
    site.delete(refs([version]))
    return version.modified


def test_times_carry_their_zone(site: ObjectSite) -> None:
    assert listed_moment(site).utcoffset() == timedelta(0)


@pytest.mark.parametrize("key", ["", "k" * 1025, "ü" * 513, "\ud800"])
def test_what_cannot_be_a_key_is_refused(site: ObjectSite, key: str) -> None:
    with pytest.raises(SiteRefused):
        write(site, key)
    with pytest.raises(SiteRefused):
        read(site, key)


def test_reads_and_writes_run_side_by_side(site: ObjectSite) -> None:
    bodies = {f"k/{n}": bytes([n]) * (n * 40_000) for n in range(40)}

    async def both() -> dict[str, bytes]:
        await asyncio.gather(*(one(key, body) for key, body in bodies.items()))
        found = await asyncio.gather(*(read_all(site, key) for key in bodies))
        return {key: data for key, (_, data) in zip(bodies, found, strict=True)}

    async def one(key: str, body: bytes) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield body

        await site.write(key, chunks(), NONE, len(body))

    assert asyncio.run(both()) == bodies


def test_a_read_that_is_not_finished_leaves_no_warning(site: ObjectSite) -> None:
    write(site, "long", b"x" * (3 << 20))

    async def begin() -> bytes:
        opened = await site.read("long")
        return await anext(opened.chunks)

    assert asyncio.run(begin())
