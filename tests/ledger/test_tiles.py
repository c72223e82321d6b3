from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError
from domicile.ledger.merkle import leaf_hash, root_of
from domicile.ledger.tiles import (
    Tile,
    TreeEdge,
    decode_bundle,
    encode_bundle,
    split_hashes,
    tiles_of,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(1, 1_234_067, 8), "tile/1/x001/x234/067.p/8"),
        (Tile(None, 999), "tile/entries/999"),
        (Tile(None, 1000, 255), "tile/entries/x001/000.p/255"),
        (Tile(63, 0, 1), "tile/63/000.p/1"),
    ],
)
def test_paths_are_those_of_tlog_tiles(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/00",
        "tile/0/x000/001",
        "tile/00/000",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000\n",
        "tile/0/001/000",
        "tile/entries/../0/000",
        "checkpoint",
    ],
)
def test_other_spellings_name_no_tile(path: str) -> None:
    assert Tile.parse(path) is None


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (1, ["tile/0/000.p/1"]),
        (255, ["tile/0/000.p/255"]),
        (256, ["tile/0/000", "tile/1/000.p/1"]),
        (257, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]),
        (511, ["tile/0/000", "tile/0/001.p/255", "tile/1/000.p/1"]),
        (512, ["tile/0/000", "tile/0/001", "tile/1/000.p/2"]),
    ],
)
def test_a_tree_has_exactly_these_tiles(size: int, paths: list[str]) -> None:
    assert [tile.path for tile in tiles_of(size)] == paths


def test_65536_leaves_fill_a_level_1_tile_and_begin_level_2() -> None:
    paths = [tile.path for tile in tiles_of(65_537) if tile.level or tile.width < 256]
    assert paths == ["tile/0/256.p/1", "tile/1/000", "tile/2/000.p/1"]


def test_the_growing_edge_equals_the_tree_at_every_interesting_size() -> None:
    hashes = [leaf_hash(number.to_bytes(4, "big")) for number in range(65_537)]
    edge, complete = TreeEdge(), dict[Tile, bytes]()
    interesting = {1, 2, 3, 255, 256, 257, 511, 512, 513, 4095, 65_535, 65_536, 65_537}
    for size, leaf in enumerate(hashes, 1):
        complete |= dict(edge.append(leaf))
        if size in interesting:
            assert edge.root() == root_of(hashes[:size])
            partials = dict(edge.partials())
            assert {*complete, *partials} == set(tiles_of(size))
            assert all(len(data) == 32 * tile.width for tile, data in partials.items())
    assert complete[Tile(0, 7)] == b"".join(hashes[7 * 256 : 8 * 256])
    assert complete[Tile(1, 0)][32:64] == root_of(hashes[256:512])


def test_a_copied_edge_grows_on_its_own() -> None:
    edge = TreeEdge()
    edge.append(leaf_hash(b"a"))
    copy = edge.copy()
    copy.append(leaf_hash(b"b"))
    assert edge.size == 1
    assert edge.root() == leaf_hash(b"a")


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


def test_a_bundle_is_length_prefixed_big_endian() -> None:
    assert encode_bundle([b"ab", b"", b"c"]) == b"\x00\x02ab\x00\x00\x00\x01c"
    longest = b"x" * 65_535
    assert decode_bundle(encode_bundle([longest]), 1) == [longest]


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x00\x02a", b"\x00\x01a\x00\x01", b"\x00\x01a" * 3]
)
def test_a_bundle_of_another_length_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        decode_bundle(data, 2)


@pytest.mark.parametrize("length", [0, 63, 65, 96])
def test_a_tile_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EvidenceError):
        split_hashes(b"x" * length, 2)
