"""An object sealed in parts: what its index binds, and which bytes a range needs."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.custody.multipart import (
    MOST_PARTS,
    Part,
    PartsIndex,
    part_opener,
    part_sealer,
)
from domicile.custody.streaming_aead import HEADER_BYTES, SEGMENT_BYTES, Sealer
from domicile.errors import EvidenceError
from tests.custody.tinks import open_with_tink

KEY, OTHER = bytes(range(32)), bytes(32)
ID, ANOTHER = b"i" * 16, b"j" * 16
FULL = SEGMENT_BYTES - 16


@dataclass(frozen=True)
class Upload:
    """Parts as a store strings them together, and what they are of."""

    index: PartsIndex
    stored: bytes
    plain: bytes

    def read(self, start: int, end: int, stored: bytes | None = None) -> bytes:
        lies = self.stored if stored is None else stored
        return b"".join(
            piece.open(KEY, ID, lies[piece.sealed_start : piece.sealed_end])
            for piece in self.index.ranges(start, end)
        )


def sealed_part(number: int, plain: bytes) -> tuple[Part, bytes]:
    sealer = part_sealer(KEY, ID, number)
    body = [*map(bytes, sealer.update(plain)), bytes(sealer.finish())]
    return Part(number, len(plain), sealer.header), b"".join([sealer.header, *body])


def upload(*sizes: int, step: int = 1) -> Upload:
    plains = [random.Random(size).randbytes(size) for size in sizes]  # noqa: S311 - seeded
    made = [sealed_part(1 + step * at, plain) for at, plain in enumerate(plains)]
    index = PartsIndex(tuple(part for part, _ in made))
    return Upload(index, b"".join(sealed for _, sealed in made), b"".join(plains))


@pytest.fixture(scope="module")
def three() -> Upload:
    return upload(2 * FULL + 77, FULL - HEADER_BYTES, 5, step=3)


def test_tink_opens_each_part_and_the_index(three: Upload) -> None:
    at, opened = 0, b""
    for part in three.index.parts:
        context = ID + b"part" + part.number.to_bytes(4, "big")
        opened += open_with_tink(KEY, context, three.stored[at : at + part.sealed_bytes])
        at += part.sealed_bytes
    assert opened == three.plain
    assert at == len(three.stored) == three.index.sealed_bytes
    packed = open_with_tink(KEY, ID + b"index", three.index.seal(KEY, ID))
    assert len(packed) == 3 * (4 + 8 + HEADER_BYTES)


def test_the_index_opens_for_its_own_object_alone(three: Upload) -> None:
    sealed = three.index.seal(KEY, ID)
    assert PartsIndex.open(KEY, ID, sealed) == three.index
    for key, object_id in ((OTHER, ID), (KEY, ANOTHER)):
        with pytest.raises(EvidenceError):
            PartsIndex.open(key, object_id, sealed)
    for bit in range(0, 8 * len(sealed), 97):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceError):
            PartsIndex.open(KEY, ID, bytes(broken))


BORDERS = [0, 1, FULL - HEADER_BYTES, FULL, 2 * FULL - HEADER_BYTES, 2 * FULL + 77]


@pytest.mark.parametrize("start", [*BORDERS, 2 * FULL + 78, 3 * FULL + 77 - HEADER_BYTES])
def test_every_range_is_what_was_sealed(three: Upload, start: int) -> None:
    size = len(three.plain)
    for length in (0, 1, 17, FULL, FULL + 1, size):
        end = min(size, start + length)
        assert three.read(start, end) == three.plain[start:end]


def test_a_range_reads_no_part_and_no_segment_that_it_does_not_touch(three: Upload) -> None:
    (piece,) = three.index.ranges(FULL, FULL + 10)
    assert piece.part.number == 1
    assert piece.sealed_end - piece.sealed_start == SEGMENT_BYTES
    assert list(three.index.ranges(5, 5)) == []
    for start, end in ((-1, 1), (2, 1), (0, len(three.plain) + 1)):
        with pytest.raises(ValueError, match=r"\d"):
            list(three.index.ranges(start, end))


@settings(max_examples=60)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.data())
def test_any_range_of_any_parts(sizes: list[int], data: st.DataObject) -> None:
    made = upload(*sizes)
    start = data.draw(st.integers(0, sum(sizes)))
    end = data.draw(st.integers(start, sum(sizes)))
    assert made.read(start, end) == made.plain[start:end]
    assert made.index.plain_bytes == sum(sizes)


def test_swapped_cut_and_foreign_bytes_are_refused() -> None:
    made = upload(100, 100, 100)
    size = made.index.parts[0].sealed_bytes
    one, two, three = (made.stored[at : at + size] for at in range(0, 3 * size, size))
    for lies in (two + one + three, one + one + three, one + three, one + two[:-1] + three):
        with pytest.raises(EvidenceError):
            made.read(0, 300, lies)
    renumbered = replace(made, index=PartsIndex(made.index.parts[:2]))
    assert renumbered.read(0, 200) == made.plain[:200]  # what an index doesn't name isn't read
    with pytest.raises(EvidenceError):
        part_opener(KEY, ID, made.index.parts[0], two[:HEADER_BYTES])


def test_an_earlier_upload_of_the_same_part_is_refused() -> None:
    (_, old), (new, lies) = sealed_part(1, b"draft"), sealed_part(1, b"final")
    index = PartsIndex((new,))
    assert Upload(index, lies, b"final").read(0, 5) == b"final"
    with pytest.raises(EvidenceError):
        Upload(index, old, b"draft").read(0, 5)
    with pytest.raises(EvidenceError, match="part 1 of a sealed object is not the one"):
        part_opener(KEY, ID, new, old[:HEADER_BYTES])


def test_a_whole_part_opens_as_a_stream(three: Upload) -> None:
    part = three.index.parts[0]
    sealed = three.stored[: part.sealed_bytes]
    opener = part_opener(KEY, ID, part, sealed[:HEADER_BYTES])
    opened = b"".join([*map(bytes, opener.update(sealed)), bytes(opener.finish())])
    assert opened == three.plain[: part.plain_bytes]


HEADER = b"h" * HEADER_BYTES


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (Part(0, 1, HEADER),),
        (Part(MOST_PARTS + 1, 1, HEADER),),
        (Part(2, 1, HEADER), Part(1, 1, HEADER)),
        (Part(1, 1, HEADER), Part(1, 1, HEADER)),
        (Part(1, -1, HEADER),),
        (Part(1, 1, b""),),
    ],
)
def test_what_are_no_parts_of_one_object_make_no_index(parts: tuple[Part, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        PartsIndex(parts)


def test_a_sealed_index_that_says_nonsense_is_refused() -> None:
    made = Sealer(KEY, ID + b"index")
    sealed = b"".join([made.header, *map(bytes, made.update(b"x" * 51)), made.finish()])
    with pytest.raises(EvidenceError, match="of no known format"):
        PartsIndex.open(KEY, ID, sealed)
