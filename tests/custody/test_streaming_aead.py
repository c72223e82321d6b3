from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from domicile.custody import streaming_aead as module
from domicile.custody.streaming_aead import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    Opener,
    Sealer,
    Segments,
    open_segments,
    plain_size,
    sealed_size,
)
from domicile.errors import EvidenceError
from tests.custody.tinks import open_with_tink, seal_with_tink

KEY = bytes(range(32))
ID = b"0198c0de-object"
FULL = SEGMENT_BYTES - 16
SIZES = [
    *(0, 1, FULL - HEADER_BYTES - 1, FULL - HEADER_BYTES, FULL - HEADER_BYTES + 1),
    *(SEGMENT_BYTES, 2 * FULL - HEADER_BYTES, 2 * FULL - HEADER_BYTES + 1, 3 * FULL + 5),
]


def plain(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - seeded


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def seal(data: bytes, chunk: int = 70_000, key: bytes = KEY, object_id: bytes = ID) -> bytes:
    sealer = Sealer(key, object_id)
    sealed = [sealer.header]
    for part in chunks(data, chunk):
        sealed += map(bytes, sealer.update(part))
    return b"".join([*sealed, sealer.finish()])


def unseal(sealed: bytes, chunk: int = 70_000, key: bytes = KEY, object_id: bytes = ID) -> bytes:
    opener = Opener(key, object_id)
    opened: list[bytes] = []
    for part in chunks(sealed, chunk):
        opened += map(bytes, opener.update(part))
    return b"".join([*opened, opener.finish()])


@pytest.mark.parametrize("size", SIZES)
def test_tink_opens_what_we_seal(size: int) -> None:
    assert open_with_tink(KEY, ID, seal(plain(size))) == plain(size)


@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_tink_seals(size: int) -> None:
    assert unseal(seal_with_tink(KEY, ID, plain(size))) == plain(size)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_known_in_advance_in_both_directions(size: int) -> None:
    sealed = len(seal(plain(size)))
    assert (sealed_size(size), plain_size(sealed)) == (sealed, size)


@pytest.mark.parametrize("sealed", [0, 39, 55, SEGMENT_BYTES + 1, SEGMENT_BYTES + 16])
def test_a_size_that_no_sealed_object_has_is_refused(sealed: int) -> None:
    with pytest.raises(EvidenceError):
        plain_size(sealed)


@pytest.mark.parametrize("chunk", [1, 39, 41, 65_536, SEGMENT_BYTES, 5 * SEGMENT_BYTES])
def test_how_the_bytes_come_makes_no_difference(chunk: int) -> None:
    data = plain(200_000 if chunk < 100 else 3 * FULL)
    assert unseal(seal(data, chunk), chunk) == data


@pytest.mark.parametrize("size", [0, 1_000, 3 * FULL])
def test_an_object_cut_anywhere_is_refused(size: int) -> None:
    sealed = seal(plain(size))
    for cut in {0, 1, HEADER_BYTES, 60, len(sealed) // 2, SEGMENT_BYTES, len(sealed) - 1}:
        if cut < len(sealed):
            with pytest.raises(EvidenceError):
                unseal(sealed[:cut])


def test_every_flipped_bit_is_refused() -> None:
    sealed = seal(plain(20))
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceError):
            unseal(bytes(flipped))


def test_segments_swapped_repeated_or_added_are_refused() -> None:
    sealed = seal(plain(4 * FULL))
    parts = list(chunks(sealed, SEGMENT_BYTES))
    for order in ([0, 2, 1, 3, 4], [0, 1, 1, 2, 3, 4], [0, 2, 3, 4], [0, 1, 2, 3, 4, 4]):
        with pytest.raises(EvidenceError):
            unseal(b"".join(parts[index] for index in order))


def test_another_key_or_another_object_id_is_refused() -> None:
    sealed = seal(plain(1_000))
    with pytest.raises(EvidenceError):
        unseal(sealed, key=bytes(32))
    with pytest.raises(EvidenceError):
        unseal(sealed, object_id=b"another object")


def test_the_same_bytes_sealed_twice_have_nothing_in_common() -> None:
    first, second = seal(b"x" * 100), seal(b"x" * 100)
    assert first[0] == second[0]
    assert not {first[n : n + 8] for n in range(1, len(first) - 8)} & {
        second[n : n + 8] for n in range(1, len(second) - 8)
    }


def test_a_key_of_another_length_is_the_callers_error() -> None:
    for make in (Sealer, Opener):
        with pytest.raises(ValueError, match="31"):
            make(bytes(31), ID)


SEALED = seal(plain(3 * FULL + 17))


@given(st.data())
def test_any_range_is_read_from_its_own_segments(data: st.DataObject) -> None:
    size = plain_size(len(SEALED))
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    segments = Segments.of_range(start, end, len(SEALED))
    touched = SEALED[segments.sealed_start : segments.sealed_end]
    opened = open_segments(KEY, ID, SEALED[:HEADER_BYTES], segments, touched)
    assert (
        opened[start - segments.plain_start : end - segments.plain_start] == plain(size)[start:end]
    )
    assert (segments.last - segments.first) * FULL <= max(0, end - start) + FULL


def test_a_range_that_ends_the_object_knows_its_length() -> None:
    cut = SEALED[: 2 * SEGMENT_BYTES]  # whole segments are missing at the end
    size = plain_size(len(cut))
    segments = Segments.of_range(size - 1, size, len(cut))
    touched = cut[segments.sealed_start : segments.sealed_end]
    with pytest.raises(EvidenceError, match="segment 1"):
        open_segments(KEY, ID, cut[:HEADER_BYTES], segments, touched)


def test_a_segment_passed_off_as_another_is_refused() -> None:
    second = SEALED[SEGMENT_BYTES : 2 * SEGMENT_BYTES]
    third = Segments(2, 2, 4, len(SEALED))
    with pytest.raises(EvidenceError, match="segment 2"):
        open_segments(KEY, ID, SEALED[:HEADER_BYTES], third, second)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.binary())
def test_keys_are_derived_as_rfc_5869_says(key: bytes, salt: bytes, info: bytes) -> None:
    assert module._derive(key, salt, info) == HKDF(SHA256(), 32, salt, info).derive(key)
