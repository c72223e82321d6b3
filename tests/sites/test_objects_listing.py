"""Listing a bucket by several requests at a time: exactly what one chain of pages lists."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domicile.errors import SiteRefused
from domicile.sites.objects import ObjectVersion, s3_listing, s3_parallel, versions_of
from domicile.sites.objects.s3 import S3Site
from domicile.sites.objects.s3_pages import NotAListing, Page, parse_objects, parse_versions
from domicile.sites.objects.s3_parallel import in_order
from domicile.sites.objects.stretches import Stretch, Turn, alphabet_of, cut, guesses
from tests.covering import Covers
from tests.services.objects import MakeBucket, TestBucket
from tests.sites.object_tools import ODD_KEYS, PLAIN_KEYS, listed

NOW = datetime.now(UTC)
CHARACTERS = st.sampled_from("ab/.09-%+ \x01\n\x7fé\U0001f600")
KEYS = st.one_of(
    st.text(CHARACTERS, min_size=1, max_size=4),
    st.builds("{}{}".format, st.sampled_from(["a/b/c/", "k" * 200, "//", "../"]), st.text("ab1")),
    st.builds("media/{}/{:03}".format, st.integers(0, 30), st.integers(0, 300)),
)
HISTORIES = st.dictionaries(KEYS.filter(bool), st.integers(1, 9), max_size=60)


def versions_in(histories: dict[str, int]) -> list[ObjectVersion]:
    return [
        ObjectVersion(key, str(n), n == 0, n % 3 == 1, 1, "", NOW)
        for key in sorted(histories, key=str.encode)
        for n in range(histories[key])
    ]


def walk_over(versions: list[ObjectVersion], page: int, most: int) -> s3_parallel.Walk:
    """Turns at a bucket that holds these versions."""

    def walk(stretch: Stretch, pages: int) -> Turn:
        within = [v for v in versions if v.key.encode() > stretch.after.encode()]
        if stretch.token:
            of_key = [v for v in versions if v.key == stretch.after]
            within = [v for v in of_key if int(v.version_id) > int(stretch.token)] + within
        if stretch.until:
            within = [v for v in within if v.key.encode() <= stretch.until.encode()]
        size = page * min(pages, most)
        taken, rest = within[:size], within[size:]
        left = Stretch(taken[-1].key, taken[-1].version_id, stretch.until) if rest else None
        return Turn([taken[n : n + page] for n in range(0, len(taken), page)], left)

    return walk


@settings(max_examples=150)
@given(HISTORIES, st.integers(1, 4), st.integers(1, 3), KEYS, KEYS)
@example({"k": 40, "k/": 1, "k0": 40}, 1, 1, "a", "z")
def test_parts_listed_at_a_time_are_the_whole_in_its_order(
    histories: dict[str, int], page: int, most: int, after: str, until: str
) -> None:
    versions = versions_in(histories)
    found = in_order(walk_over(versions, page, most), Stretch())
    assert [version for got in found for version in got] == versions
    some = in_order(walk_over(versions, page, most), Stretch(after, until=until))
    low, high = after.encode(), until.encode()
    within = [version for version in versions if low < version.key.encode() <= high]
    assert [version for got in some for version in got] == within


@given(KEYS, KEYS, st.lists(KEYS), KEYS)
def test_a_stretch_is_cut_without_gap_or_overlap(
    after: str, until: str, at: list[str], key: str
) -> None:
    whole = Stretch(after, "token", until, skips=True)
    parts = cut(whole, at)
    assert parts[0] == replace(whole, until=parts[0].until)
    assert parts[-1].until == until
    assert not any(part.skips for part in parts[1:])
    assert all(left.until == right.after for left, right in pairwise(parts))
    holding = [p for p in parts if p.after.encode() < key.encode() and not p.ends_before(key)]
    assert len(holding) == (after.encode() < key.encode() <= until.encode())


@given(KEYS, KEYS, st.sets(KEYS, max_size=5), st.integers(1, 9))
def test_guesses_lie_behind_what_was_listed_and_can_stand_in_a_request(
    one: str, other: str, keys: set[str], many: int
) -> None:
    first, last = sorted((one, other))
    steps = [(n, 1) for n in range(1, many + 1)]
    made = list(guesses(first, last, steps=steps, alphabet=alphabet_of(keys)))
    assert len(made) <= many
    assert all(guess.isprintable() for guess in made)


def test_guesses_find_the_way_through_numbered_folders() -> None:
    made = guesses("media/10/a", "media/12/a", steps=[(1, 1), (2, 1)], alphabet="0123456789")
    assert [guess[:8] for guess in made] == ["media/14", "media/16"]


def test_memory_is_bounded_however_slowly_the_pages_are_taken() -> None:
    versions = versions_in({f"media/{n:05}": 1 for n in range(20_000)})
    asked: list[int] = []
    walk = walk_over(versions, 10, 8)

    def counting(stretch: Stretch, pages: int) -> Turn:
        turn = walk(stretch, pages)
        asked.append(len(turn.pages))
        return turn

    taken = 0
    for _ in in_order(counting, Stretch()):
        taken += 1
        if taken % 50 == 0:
            time.sleep(0.01)
        assert sum(asked) - taken <= s3_parallel._HELD_PAGES + 2 * s3_parallel._PAGES
    assert taken >= 2_000


ROOT = '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{}</ListVersionsResult>'
ENTRY = (
    "<Version><Key>{}</Key><VersionId>v</VersionId><IsLatest>true</IsLatest><LastModified>"
    "2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size>"
    "<Owner><ID>o</ID></Owner></Version>"
)
URL = "<EncodingType>url</EncodingType>"


@pytest.mark.parametrize(
    ("written", "head", "key"),
    [
        ("a&amp;quot;b", "", "a&quot;b"),
        ("a&#xD;&#10;&lt;&apos;", "", "a\r\n<'"),
        ("a%2Fb%252F+%2B", "", "a%2Fb%252F+%2B"),
        ("a%2Fb%252F+%2B%01", URL, "a/b%2F +\x01"),
    ],
)
def test_a_key_is_read_as_it_was_written(written: str, head: str, key: str) -> None:
    (version,) = parse_versions(ROOT.format(head + ENTRY.format(written)).encode()).versions
    assert (version.key, version.etag, version.size_bytes) == (key, '"e"', 7)
    assert version.modified == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<html></html>",
        ROOT.format(ENTRY.format("a"))[:-5],
        ROOT.format(ENTRY.format("")),
        ROOT.format(ENTRY.format("a").replace("<Version>", "<Version x='1'>")),
        ROOT.format(ENTRY.format("a").replace("</Version>", "")),
        ROOT.format(ENTRY.format("a").replace("<Size>7</Size>", "")),
        ROOT.format(ENTRY.format("a").replace("2026", "then")),
        ROOT.format("<!-- -->" + ENTRY.format("a")),
        "<!DOCTYPE x [<!ENTITY y 'z'>]>" + ROOT.format(ENTRY.format("&y;")),
        ROOT.format("<Version>" + "<Key>a</Key>" * 5_000),
    ],
)
def test_what_is_not_a_whole_page_of_s3s_is_refused_and_soon(document: str) -> None:
    began = time.monotonic()
    for parse in (parse_versions, parse_objects):
        with pytest.raises(NotAListing):
            parse(document.encode())
    assert time.monotonic() - began < 5


def truncated(marker: str, *keys: str) -> bytes:
    head = f"{URL}<IsTruncated>true</IsTruncated><NextKeyMarker>{marker}</NextKeyMarker>"
    return ROOT.format(head + "".join(map(ENTRY.format, keys))).encode()


@pytest.mark.parametrize(
    ("marker", "keys", "following"),
    [
        ("x%41", (), "x%41"),  # "xA" may be, or what comes before it
        ("x+", (), "x "),
        ("x%41", ("x%41",), "xA"),
        ("x%2525", ("x%2525",), "x%25"),
        ("x%25", ("x%2525",), "x%25"),
        ("x%41", ("x5",), "xA"),  # "x%41" lies before "x5"
        ("x%41", ("a",), "x%41"),
        ("y", (), "y"),
        ("", ("x",), "x"),
    ],
)
def test_no_key_is_passed_over_whichever_way_a_marker_is_meant(
    marker: str, keys: tuple[str, ...], following: str
) -> None:
    assert parse_versions(truncated(marker, *keys)).following == (following, "")


def test_a_page_that_would_begin_before_the_last_one_ended_is_refused() -> None:
    with pytest.raises(NotAListing, match="before this one's last key"):
        parse_versions(truncated("x%41", "y"))


DEEP = [f"media/{person}/{n:02}" for person in range(12) for n in range(9)]
SUFFIXED = ["k" * 300 + end for end in ("", "0", "00", "/", "~", "\x01", "\U0001f600")]
LONG_HISTORY = 40
UPLOADED = [*PLAIN_KEYS, "a//b", "%2F", "..", *DEEP[:5]]


@pytest.fixture(scope="module")
def crowded(rgw_bucket: MakeBucket) -> TestBucket:
    """Keys that hurt, deep and flat, and a key with a long history of versions and markers."""
    bucket = rgw_bucket(versioned=True)
    client = bucket.client()

    def put(key: str) -> None:
        client.put_object(Bucket=bucket.name, Key=key, Body=b"x")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, [*ODD_KEYS, *DEEP, *SUFFIXED]))
        for key in ("media/3/04", "a+b", "\x01"):
            for n in range(LONG_HISTORY):
                client.delete_object(Bucket=bucket.name, Key=key) if n % 3 else put(key)
        list(
            threads.map(
                lambda key: client.create_multipart_upload(Bucket=bucket.name, Key=key), UPLOADED
            )
        )
    return bucket


@pytest.mark.parametrize("page", [3, 1000])
def test_a_real_bucket_is_listed_as_by_one_chain_of_pages(
    crowded: TestBucket, page: int, monkeypatch: pytest.MonkeyPatch, covers: Covers
) -> None:
    """The chain is boto3's own, in pages so large that nothing crosses a border."""
    answer: dict[str, Any] = crowded.client().list_object_versions(Bucket=crowded.name)
    assert not answer["IsTruncated"]
    entries = [*answer["Versions"], *answer["DeleteMarkers"]]
    monkeypatch.setattr(s3_listing, "_PAGE", page)
    monkeypatch.setattr(s3_parallel, "_PAGES", 2)
    site = crowded.site()
    found = listed(site)
    refs = [(version.key, version.version_id) for version in found]
    assert sorted(refs) == sorted((entry["Key"], entry["VersionId"]) for entry in entries)
    assert len(set(refs)) == len(refs)
    assert [key for key, _ in refs] == sorted((key for key, _ in refs), key=str.encode)
    times = {(e["Key"], e["VersionId"]): (e["LastModified"], e["IsLatest"]) for e in entries}
    assert [times[ref] for ref in refs] == [(v.modified, v.is_latest) for v in found]
    for before, after in pairwise(found):
        assert before.key != after.key or before.modified >= after.modified
    keys = [*dict.fromkeys(version.key for version in found)]
    for some in (keys, keys[5:9], keys[-1:], ["a+b"], ["media/3/04"]):
        there = versions_of(site, some)
        assert list(there) == some
        assert [v for of in there.values() for v in of] == [v for v in found if v.key in some]
    uploads = [upload for got in site.uploads() for upload in got]
    assert sorted(upload.key for upload in uploads) == sorted(UPLOADED)
    site.close()
    covers(
        "Objects",
        "buckets listed by several requests at a time",
        steps="found",
        note="the very versions, markers and order of one chain of pages; nothing is moved",
    )


@pytest.mark.parametrize("after", ["\x01", "a+b", "media/3/04"])
def test_a_listing_behind_a_key_has_none_of_its_versions_however_many_pages_they_fill(
    crowded: TestBucket, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ceph begins at the key itself."""
    site = crowded.site()
    behind = [version for version in listed(site) if version.key.encode() > after.encode()]
    monkeypatch.setattr(s3_listing, "_PAGE", 5)
    monkeypatch.setattr(s3_parallel, "_PAGES", 2)
    assert [version for page in site.versions(after=after) for version in page] == behind
    site.close()


def test_no_key_is_missed_behind_a_page_that_ends_with_an_escape(
    rgw_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ceph gives the next page's marker as it is, under a header that says that it is encoded."""
    bucket = rgw_bucket(versioned=True)
    keys = ["\x01", "%25", "%2F", "&", "+", ",", "a b", "a+b", "a,"]
    for key in keys:
        bucket.client().put_object(Bucket=bucket.name, Key=key, Body=b"x")
    monkeypatch.setattr(s3_listing, "_PAGE", 1)
    assert [version.key for version in listed(bucket.site())] == sorted(keys)


def test_a_bucket_without_versions_is_listed_by_parts_too(
    rgw_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = rgw_bucket(versioned=False)
    client = bucket.client()
    with ThreadPoolExecutor(8) as threads:
        keys = [*ODD_KEYS, *DEEP]
        list(threads.map(lambda k: client.put_object(Bucket=bucket.name, Key=k, Body=b"x"), keys))
    monkeypatch.setattr(s3_listing, "_PAGE", 3)
    monkeypatch.setattr(s3_parallel, "_PAGES", 2)
    site = bucket.site()
    by_versions = listed(site)
    monkeypatch.setattr(S3Site, "_lists_versions", 0)
    by_objects = listed(site)
    assert [version.key for version in by_objects] == sorted(keys, key=str.encode)
    assert by_objects == by_versions
    site.close()


def test_a_store_that_begins_before_the_marker_is_refused() -> None:
    versions = versions_in({f"k{n:03}": 1 for n in range(50)})

    def confused(stretch: Stretch, pages: int) -> Turn:
        turn = s3_listing._Walk("far", "", lambda *_: Page(versions, None))
        return turn(stretch, pages)

    with pytest.raises(SiteRefused, match="out of order"):
        confused(Stretch("k020"), 1)


def test_a_store_whose_next_page_would_begin_before_what_was_listed_is_refused() -> None:
    """It would list ``k1`` again, and that is in order."""
    first = Page(versions_in({"k0": 1, "k1": 1}), ("k1", "0"))
    pages = {("", ""): first, ("k1", "0"): Page([], ("k0", "0"))}
    walk = s3_listing._Walk("far", "", lambda *at: pages.get(at, Page(first.versions[1:], None)))
    with pytest.raises(SiteRefused, match="out of order"):
        walk(Stretch(), 8)
