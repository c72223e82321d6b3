"""Pages of a listing: together they are the whole, whatever the prefix and the delimiter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domicile.gateways.s3.answers import Listed, Page, object_list
from domicile.gateways.s3.listing import read_page
from domicile.gateways.s3.operations import ListObjects
from domicile.sites.objects import ObjectVersion

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ASKED = ListObjects("b", 2, "", "", "", "", 1000, is_encoded=False)
KEYS = st.sets(st.text("ab/é", min_size=1, max_size=6), max_size=30)


class Store:
    """A store that lists a few versions at a time, and counts its pages."""

    def __init__(self, keys: Sequence[str], prefix: str = "", page: int = 3) -> None:
        found = [key for key in sorted(keys, key=str.encode) if key.startswith(prefix)]
        self.versions = [
            ObjectVersion(
                key, f"v{n}", n == 0, is_marker=False, size_bytes=n, etag="e", modified=NOW
            )
            for key in found
            for n in range(2)
        ]
        self._page = page
        self.asked = 0

    def pages(self, after: str) -> Iterator[Sequence[ObjectVersion]]:
        found = [v for v in self.versions if v.key.encode() > after.encode()]
        for start in range(0, len(found), self._page):
            self.asked += 1
            yield found[start : start + self._page]


def page_of(store: Store, asked: ListObjects) -> Page:
    return read_page(asked, store.pages, lambda _: True, lambda v: Listed(v.key, NOW, "e", 0))


@given(
    KEYS, st.sampled_from(["", "a", "a/", "é"]), st.sampled_from(["", "/", "a"]), st.integers(1, 4)
)
def test_pages_are_together_what_there_is(
    keys: set[str], prefix: str, delimiter: str, most: int
) -> None:
    store = Store(sorted(keys), prefix)
    asked = replace(ASKED, prefix=prefix, delimiter=delimiter, most=most)
    seen: list[str] = []
    while True:
        page = page_of(store, asked)
        found = [one.key for one in page.objects] + list(page.prefixes)
        assert len(found) <= most
        assert len(found) == most or not page.next_after
        seen += sorted(found, key=str.encode)
        if not page.next_after:
            break
        asked = replace(asked, after=page.next_after)
    assert seen == expected(keys, prefix, delimiter)


def expected(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    found = set()
    for key in keys:
        if key.startswith(prefix):
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            found.add(f"{prefix}{head}{cut}" if cut else key)
    return sorted(found, key=str.encode)


def test_a_large_folder_is_passed_over_not_read() -> None:
    store = Store([f"a/{n:04}" for n in range(1000)] + ["b"], page=10)
    page = page_of(store, replace(ASKED, delimiter="/"))
    assert (list(page.prefixes), [one.key for one in page.objects]) == (["a/"], ["b"])
    assert store.asked <= 3


def test_markers_and_older_versions_are_none_of_it() -> None:
    store = Store(["a", "b"])
    store.versions[0] = replace(store.versions[0], is_marker=True)
    assert [one.key for one in page_of(store, ASKED).objects] == ["b"]


def test_a_name_cannot_pass_for_xml() -> None:
    page = Page([Listed("a&<>\"'\n\x00", NOW, "e", 1)], ["<p>&"], "")
    told = object_list(replace(ASKED, prefix="<&", bucket="b"), page)
    assert b"<Key>a&amp;&lt;&gt;&quot;'&#10;&#0;</Key>" in told
    assert b"<Prefix>&lt;p&gt;&amp;</Prefix>" in told
    encoded = object_list(replace(ASKED, is_encoded=True), page)
    assert b"<Key>a%26%3C%3E%22%27%0A%00</Key>" in encoded
