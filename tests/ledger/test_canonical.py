"""The quick way to canonical JSON against `rfc8785`: never another answer, only sometimes none."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError
from domicile.ledger import Count, FileDigest, decode, encode
from domicile.ledger.canonical import Plain, is_canonical
from domicile.ledger.entries import body_of, kind_hint, open_envelope, open_quickly
from tests.ledger.world import Noted, entry, noted

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(2**60), 2**60) | st.integers(10**14, 10**17)


class Inner(msgspec.Struct, frozen=True):
    size: int
    name: str


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    zeta: str
    alpha: int
    flag: bool
    choice: Literal["a", "é"] | None
    inner: tuple[Inner, ...]
    Upper: int | None = None
    names: tuple[tuple[str, ...], ...] = ()


SAMPLES = st.builds(
    Sample,
    TEXT,
    NUMBERS,
    st.booleans(),
    st.sampled_from(["a", "é", None]),
    st.lists(st.builds(Inner, NUMBERS, TEXT), max_size=3).map(tuple),
    st.none() | NUMBERS,
    st.lists(st.lists(TEXT, max_size=2).map(tuple), max_size=2).map(tuple),
)
PLAIN = Plain.of(Sample)
assert PLAIN is not None


def careful(value: object) -> bytes | None:
    try:
        return rfc8785.dumps(msgspec.to_builtins(value))
    except rfc8785.CanonicalizationError:
        return None


@given(SAMPLES)
def test_what_is_written_quickly_is_the_rfc_8785_form(sample: Sample) -> None:
    assert PLAIN is not None
    quick = PLAIN.write(sample)
    assert quick is None or quick == careful(sample)


@given(SAMPLES)
def test_only_long_numbers_need_the_careful_way(sample: Sample) -> None:
    assert PLAIN is not None
    numbers = [sample.alpha, sample.Upper or 0, *(inner.size for inner in sample.inner)]
    if all(abs(number) < 10**15 for number in numbers):
        quick = PLAIN.write(sample)
        assert quick is not None
        assert PLAIN.read_all([quick, quick]) == [sample, sample]


def spellings(value: Any) -> st.SearchStrategy[str]:  # noqa: ANN401 - any JSON value
    """Ways to write a value, the canonical one among them."""
    return st.builds(
        json.dumps,
        st.just(value),
        ensure_ascii=st.booleans(),
        sort_keys=st.booleans(),
        separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    )


@given(SAMPLES.flatmap(lambda sample: spellings(msgspec.to_builtins(sample))))
def test_no_text_is_read_quickly_that_is_not_canonical(text: str) -> None:
    assert PLAIN is not None
    data = text.encode()
    if PLAIN.read_all([data]) is not None:
        assert is_canonical(data)


@given(SAMPLES, st.data())
def test_no_damaged_text_is_read_quickly_unless_it_is_canonical(
    sample: Sample, data: st.DataObject
) -> None:
    assert PLAIN is not None
    text = bytearray(msgspec.json.encode(sample, order="sorted"))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.sampled_from(b'019-+.eE,:"{}[] \\tn\x00\x7f\xc3'))
    if PLAIN.read_all([bytes(text)]) is not None:
        assert is_canonical(bytes(text))


def test_every_character_is_written_as_rfc_8785_says() -> None:
    assert PLAIN is not None
    for first in range(0, 0x110000, 0x1000):
        points = (p for p in range(first, first + 0x1000) if not 0xD800 <= p < 0xE000)
        sample = Sample("".join(map(chr, points)), 0, flag=True, choice=None, inner=())
        assert PLAIN.write(sample) == careful(sample)


class Bounded(msgspec.Struct, frozen=True):
    size: Count
    more: Count | None = None


@given(st.integers(0, 2**54), st.none() | st.integers(0, 2**54))
def test_bounded_numbers_are_read_quickly_exactly_where_they_have_a_form(
    size: int, more: int | None
) -> None:
    plain = Plain.of(Bounded)
    assert plain is not None
    data = msgspec.json.encode(Bounded(size, more), order="sorted")
    has_form = size < 2**53 and (more or 0) < 2**53
    assert (plain.read_all([data]) is not None) == has_form
    assert (careful(Bounded(size, more)) is not None) == has_form


class Measured(msgspec.Struct, frozen=True):
    value: float


class Counted(msgspec.Struct, frozen=True):
    values: tuple[int, ...]


class Mapped(msgspec.Struct, frozen=True):
    values: dict[str, str]


class Foreign(msgspec.Struct, frozen=True):
    value: str = msgspec.field(name="größe")


class Nested(msgspec.Struct, frozen=True):
    values: tuple[int | None, ...]


@pytest.mark.parametrize("struct", [Measured, Counted, Mapped, Foreign, Nested])
def test_structs_whose_form_is_not_so_easily_told_are_not_plain(
    struct: type[msgspec.Struct],
) -> None:
    assert Plain.of(struct) is None


def test_entries_of_one_kind_are_read_at_once_and_as_one_by_one() -> None:
    files = (FileDigest("a/b", "0" * 64, 3),)
    entries = [encode(noted("a")), encode(entry(Noted("é", files, ("c",)))), encode(noted(""))]
    opened = open_quickly(entries)
    assert opened is not None
    assert [each.body for each in opened] == [body_of(open_envelope(data)) for data in entries]
    assert [each.body for each in opened] == [decode(data).body for data in entries]
    assert len({kind_hint(data) for data in entries}) == 1


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        (b'"version":1', b'"version":2'),
        (b'"version":1', b'"version":1,"version":1'),
        (b"test.noted", b"test.other"),
        (b'"clock":"system"', b'"clock":""'),
        (b"2026-01-01T", "٢026-01-01T".encode()),
        (b"2026-01-01T", b"2026-W01-1T"),
        (b"2026-01-01T", b"2026-02-30T"),
        (b"00.000Z", b"00,000Z"),
        (b'"abab', b'"ABAB'),
        (b'"text":"a"', b'"text":"\\u0061"'),
        (b'"text":"a"', b'"text":"\xff"'),
        (b'"text":"a"', b'"text": "a"'),
    ],
)
def test_one_unfit_entry_among_many_is_never_read_quickly(written: bytes, changed: bytes) -> None:
    good = encode(noted("a"))
    assert written in good
    bad = good.replace(written, changed, 1)
    assert open_quickly([good, good]) is not None
    assert open_quickly([good, bad, good]) is None
    with pytest.raises(EvidenceError):
        decode(bad)


def test_a_number_beyond_what_json_readers_keep_is_refused_when_read() -> None:
    data = encode(entry(Noted("a", (FileDigest("a", "0" * 64, 2**53 - 1),))))
    assert decode(data).kind == "test.noted"
    with pytest.raises(EvidenceError):
        decode(data.replace(b"9007199254740991", b"9007199254740992"))
