"""Sealed objects in a store: what lies there, what opens it, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from domicile.custody.sealing import SEAL, UNSEALED, Seal, SealedStore
from domicile.errors import EvidenceError
from domicile.sites.objects import Attributes, DirectorySite, Span
from tests.custody.sealed import ANNA, BEN, MemoryKeys, seal_store
from tests.custody.tinks import open_with_tink, seal_with_tink
from tests.sites.object_tools import NONE, listed, read, write

SECRET = b"a draft that nobody else may see " * 7


class Home:
    """A directory that lies sealed, and what lies in it."""

    def __init__(self, path: Path) -> None:
        self.raw = DirectorySite("home", path, durable=False)
        self.raw.create()
        self.keys = MemoryKeys()
        self.store = self.reopen()

    def reopen(self) -> SealedStore:
        return seal_store(self.raw, self.keys, bens=BEN)

    def seal_of(self, key: str) -> Seal:
        seal = Seal.of(read(self.raw, key)[0].attributes)
        assert seal is not None
        return seal

    def put_raw(self, key: str, data: bytes, seal: Seal) -> None:
        write(self.raw, key, data, Attributes(metadata=((SEAL, seal.text),)))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_what_lies_there_holds_nothing_of_what_was_written(home: Home) -> None:
    write(home.store, "draft", SECRET)
    lying = read(home.raw, "draft")[1]
    assert SECRET[:16] not in lying
    assert read(home.reopen(), "draft")[1] == SECRET


def test_tink_opens_it_with_the_subjects_key_and_the_objects_id(home: Home) -> None:
    write(home.store, "draft", SECRET)
    seal = home.seal_of("draft")
    lying = read(home.raw, "draft")[1]
    assert open_with_tink(home.keys.keys[ANNA], seal.object_id, lying) == SECRET


def test_what_tink_sealed_opens_here(home: Home) -> None:
    key = home.keys.of([ANNA])[ANNA]
    seal = Seal(ANNA, b"o" * 16)
    home.put_raw("draft", seal_with_tink(key, seal.object_id, SECRET), seal)
    assert read(home.store, "draft")[1] == SECRET


def test_everybody_has_a_key_and_every_object_an_id_of_its_own(home: Home) -> None:
    for key in ("draft", "draft", "other", "bens"):
        write(home.store, key, SECRET)
    found = [home.seal_of(key) for key in ("draft", "other", "bens")]
    assert [seal.subject for seal in found] == [ANNA, ANNA, BEN]
    assert len(set(home.store.seals.values())) == 4
    assert home.keys.keys[ANNA] != home.keys.keys[BEN]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:0],
        lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
    ],
)
def test_changed_bytes_are_refused(home: Home, change: object) -> None:
    write(home.store, "draft", SECRET)
    assert callable(change)
    home.put_raw("draft", change(read(home.raw, "draft")[1]), home.seal_of("draft"))
    with pytest.raises(EvidenceError):
        read(home.store, "draft")


LONG = bytes(range(256)) * ((3 << 20) // 256)


@pytest.mark.parametrize(
    ("at", "refused"),
    [
        (0, True),  # the header
        (50, True),  # the segment that is read
        ((1 << 20) + 50, False),  # one that isn't
        ((3 << 20) + 50, True),  # the last one, which tells the length
    ],
)
def test_of_a_span_what_it_touches_and_the_length_are_authentic(
    home: Home, at: int, *, refused: bool
) -> None:
    write(home.store, "long", LONG)
    lies = bytearray(read(home.raw, "long")[1])
    lies[at] ^= 1
    home.put_raw("long", bytes(lies), home.seal_of("long"))
    if refused:
        with pytest.raises(EvidenceError):
            read(home.store, "long", span=Span(10, 20))
    else:
        assert read(home.store, "long", span=Span(10, 20))[1] == LONG[10:20]


@pytest.mark.parametrize("size", [1 << 20, 2 << 20, (3 << 20) - 1])
def test_a_span_of_an_object_that_was_cut_is_refused(home: Home, size: int) -> None:
    write(home.store, "long", LONG)
    home.put_raw("long", read(home.raw, "long")[1][:size], home.seal_of("long"))
    with pytest.raises(EvidenceError):
        read(home.store, "long", span=Span(10, 20))


def test_a_span_of_what_is_not_sealed_is_shown_as_that(home: Home) -> None:
    write(home.raw, "plain", b"0123456789")
    opened, data = read(home.store, "plain", span=Span(2, 5))
    assert data == b"234"
    assert dict(opened.attributes.metadata) == {UNSEALED: "1"}


def test_another_object_under_an_objects_id_is_refused(home: Home) -> None:
    write(home.store, "draft", SECRET)
    write(home.store, "other", SECRET[::-1])
    home.put_raw("draft", read(home.raw, "other")[1], home.seal_of("draft"))
    with pytest.raises(EvidenceError, match="not what was sealed"):
        read(home.store, "draft")


def test_an_object_under_another_persons_key_is_refused(home: Home) -> None:
    write(home.store, "draft", SECRET)
    write(home.store, "bens", SECRET)
    anna = home.seal_of("draft")
    home.put_raw("draft", read(home.raw, "draft")[1], replace(anna, subject=BEN))
    with pytest.raises(EvidenceError, match="not what was sealed"):
        read(home.store, "draft")


def test_without_its_key_nothing_opens_and_nobody_gets_a_new_one(home: Home) -> None:
    write(home.store, "draft", SECRET)
    del home.keys.keys[ANNA]
    with pytest.raises(EvidenceError, match="under a key that is not here"):
        read(home.reopen(), "draft")
    assert ANNA not in home.keys.keys


def test_what_is_not_sealed_is_shown_so(home: Home) -> None:
    write(home.raw, "plain", SECRET, Attributes(metadata=(("colour", "blue"),)))
    found, data = read(home.store, "plain")
    assert data == SECRET
    assert found.attributes.metadata == (("colour", "blue"), (UNSEALED, "1"))


@pytest.mark.parametrize("name", [SEAL, UNSEALED, f"{SEAL}-x", f"{UNSEALED}-x-x", f"{SEAL}-y"])
def test_an_uploaders_metadata_is_never_taken_for_a_seal(home: Home, name: str) -> None:
    attributes = Attributes(metadata=((name, "1"),))
    write(home.store, "draft", SECRET, attributes)
    assert read(home.reopen(), "draft")[0].attributes == attributes


@pytest.mark.parametrize("text", ["", "1", "2.00.00", "1.zz.00", f"1.{'00' * 16}.{'00' * 15}"])
def test_a_seal_of_no_known_format_is_refused(home: Home, text: str) -> None:
    write(home.raw, "draft", SECRET, Attributes(metadata=((SEAL, text),)))
    with pytest.raises(EvidenceError, match="no known format"):
        read(home.store, "draft")


def test_a_large_object_is_opened_piece_by_piece_and_a_late_change_is_found(home: Home) -> None:
    data = SECRET * 20_000
    write(home.store, "film", data)
    lying = read(home.raw, "film")[1]
    home.put_raw("film", lying[:-1] + bytes([lying[-1] ^ 1]), home.seal_of("film"))
    came = bytearray()

    async def take() -> None:
        opened = await home.store.read("film")
        async for chunk in opened.chunks:
            came.extend(chunk)

    with pytest.raises(EvidenceError):
        asyncio.run(take())
    assert 0 < len(came) < len(data)
    assert data.startswith(bytes(came))


def test_an_empty_object_is_sealed_too(home: Home) -> None:
    write(home.store, "empty", b"", NONE)
    (version,) = listed(home.raw)
    assert version.size_bytes > 0
    found, data = read(home.store, "empty")
    assert (found.size_bytes, data) == (0, b"")
