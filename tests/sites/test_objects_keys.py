"""The directory driver's names for keys: one to one, inside the root, in the order of keys."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.sites.objects import DirectorySite, VersionRef
from domicile.sites.objects.directory_walk import walk
from domicile.sites.objects.keys import decode_segment, encode_key, is_key
from tests.sites.object_tools import ODD_KEYS, listed, read, write

# Letters that make collisions likely, and any Unicode.
HOSTILE = st.text(alphabet="ab/.%@_\x00é~ 2F", min_size=1, max_size=12)
ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
LONG = st.integers(1, 1024).flatmap(
    lambda size: st.sampled_from("a./%\x00@").map(lambda letter: letter * size)
)
KEYS = (HOSTILE | ANY | LONG).filter(is_key)


@given(KEYS)
def test_a_name_can_stand_in_any_file_system(key: str) -> None:
    for name in encode_key(key):
        assert 1 <= len(name.encode()) <= 202
        assert not name.startswith(".")
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set('/\\:*?"<>|\0')


@given(KEYS)
def test_no_key_leaves_the_root(key: str) -> None:
    root = PurePosixPath("/root-of-the-site")
    path = root.joinpath(*encode_key(key))
    assert path.is_relative_to(root)
    assert path != root
    assert len(str(path)) < 4096


@given(KEYS, KEYS)
def test_two_keys_never_share_a_directory(one: str, other: str) -> None:
    assert (encode_key(one) == encode_key(other)) == (one == other)


@given(KEYS, KEYS)
def test_no_key_lies_inside_another_keys_directory(one: str, other: str) -> None:
    inner, outer = encode_key(one), encode_key(other)
    assert one == other or inner[: len(outer)] != outer


@pytest.mark.parametrize(
    "names",
    [("",), ("%41",), ("%2e",), (".",), ("a%",), ("%",), ("%_", "a"), ("é",), ("a%2",), ("a@",)],
)
def test_a_name_that_the_driver_would_not_make_is_not_decoded(names: tuple[str, ...]) -> None:
    assert decode_segment(names) is None


@settings(max_examples=20, deadline=None)
@given(st.sets(KEYS, min_size=1, max_size=12), KEYS)
def test_the_walk_finds_every_key_in_byte_order(keys: set[str], prefix: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        for key in keys:
            Path(root, *encode_key(key)).mkdir(parents=True)
        ordered = sorted(keys, key=str.encode)
        assert [place.key for place in walk("site", root)] == ordered
        found = [place.key for place in walk("site", root, prefix)]
        assert found == [key for key in ordered if key.startswith(prefix)]
        later = [place.key for place in walk("site", root, after=prefix)]
        assert later == [key for key in ordered if key.encode() > prefix.encode()]


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(KEYS, st.binary(max_size=50), min_size=1, max_size=6))
def test_a_store_returns_what_was_put_and_ends_empty(objects: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as root:
        site = DirectorySite("site", Path(root), durable=False)
        for key, data in objects.items():
            write(site, key, data)
        for key, data in objects.items():
            assert read(site, key)[1] == data
        found = [VersionRef(version.key, version.version_id) for version in listed(site)]
        assert [ref.key for ref in found] == sorted(objects, key=str.encode)
        assert site.delete(found) == []
        assert list(Path(root).iterdir()) == []


def test_the_odd_keys_of_the_contract_are_keys() -> None:
    assert all(is_key(key) for key in ODD_KEYS)
