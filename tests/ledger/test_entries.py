from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError, UsageError
from domicile.ledger import Body, Entry, FileDigest, decode, encode, entry_kind
from domicile.ledger.entries import files_of
from tests.ledger.world import BEGIN, CHARTER, Noted, entry, noted


def altered(**fields: object) -> bytes:
    raw = json.loads(encode(noted("a"))) | fields
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()


def test_an_entry_is_canonical_json_with_its_envelope() -> None:
    assert encode(Entry(Noted("é"), BEGIN, CHARTER)).decode() == (
        '{"body":{"claims":[],"files":[],"needs":[],"text":"é"},'
        f'"charter":"{CHARTER}","clock":"system","kind":"test.noted",'
        '"time":"2026-01-01T00:00:00.000Z","version":1}'
    )


@given(st.text(max_size=50).filter(lambda t: t.isprintable()), st.datetimes(timezones=st.just(UTC)))
def test_entries_round_trip(text: str, time: datetime) -> None:
    written = Entry(
        Noted(text, (FileDigest("a/b", "0" * 64, 3),), ("c",)),
        time,
        CHARTER,
        "system, synchronised",
    )
    assert decode(encode(written)) == written


def test_time_becomes_utc_milliseconds() -> None:
    local = datetime(2026, 1, 1, 2, 0, 0, 1999, tzinfo=timezone(timedelta(hours=2)))
    written = Entry(Noted("a"), local, CHARTER)
    assert b'"2026-01-01T00:00:00.001Z"' in encode(written)


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        Entry(Noted("a"), datetime(2026, 1, 1), CHARTER)  # noqa: DTZ001 - the fault tested


@pytest.mark.parametrize("charter", ["", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
def test_a_charter_that_is_no_digest_is_refused(charter: str) -> None:
    with pytest.raises(UsageError):
        Entry(Noted("a"), BEGIN, charter)


def test_the_largest_entry_is_accepted_and_one_byte_more_is_not() -> None:
    room = 65_535 - len(encode(noted("")))
    assert len(encode(noted("x" * room))) == 65_535
    with pytest.raises(UsageError, match="65,536 bytes"):
        encode(noted("x" * (room + 1)))


def test_a_whitespace_or_reordered_or_repeated_spelling_is_refused() -> None:
    data = encode(noted("a"))
    pretty = json.dumps(json.loads(data), indent=1).encode()
    repeated = data.replace(b'"version":1', b'"version":1,"version":1')
    backwards = json.dumps(dict(reversed(json.loads(data).items())), separators=(",", ":"))
    for spelling in (pretty, repeated, backwards.encode(), data + b"\n", data[:-1], b"", b"[]"):
        with pytest.raises(EvidenceError):
            decode(spelling)


@pytest.mark.parametrize(
    "fields",
    [
        {"more": 1},
        {"version": 2},
        {"version": "1"},
        {"kind": "test.unheard-of"},
        {"kind": "Test"},
        {"time": "2026-01-01T00:00:00Z"},
        {"time": "2026-02-30T00:00:00.000Z"},
        {"time": "2026-01-01T00:00:00.000+00:00"},
        {"charter": "x"},
        {"clock": ""},
        {"clock": "sundial"},
        {"body": {"text": "a", "files": [], "claims": [], "needs": [], "more": 1}},
        {"body": {"text": 1, "files": [], "claims": [], "needs": []}},
        {"body": {}},
        {"body": None},
    ],
)
def test_an_entry_outside_its_schema_is_refused(fields: dict[str, object]) -> None:
    assert decode(altered()).kind == "test.noted"
    with pytest.raises(EvidenceError):
        decode(altered(**fields))


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(EvidenceError):
        decode(b"[" * 30_000 + b"]" * 30_000)


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a/./b", "a//b", "a/", "a\n", "a\x00b", ".."]
)
def test_a_file_outside_the_records_cannot_be_named(path: str) -> None:
    body = Noted("a", (FileDigest(path, "0" * 64, 0),))
    with pytest.raises(UsageError):
        encode(entry(body))


@pytest.mark.parametrize("path", ["a", "a/b c/ü", ".hidden", "..a/b..", "a\\b"])
def test_any_file_inside_the_records_can_be_named(path: str) -> None:
    body = Noted("a", (FileDigest(path, "0" * 64, 0),))
    assert files_of(decode(encode(entry(body))).body) == body.files


@pytest.mark.parametrize("number", [2**53, -(2**60)])
def test_a_number_that_json_readers_round_is_refused(number: int) -> None:
    with pytest.raises(UsageError):
        encode(entry(Noted("a", (FileDigest("a", "0" * 64, number),))))


def test_an_unregistered_body_cannot_be_written() -> None:
    class Stray(Body, frozen=True):
        pass

    with pytest.raises(UsageError, match="not registered"):
        encode(entry(Stray()))


def test_a_kind_is_registered_once_and_closed() -> None:
    class Other(Body, frozen=True):
        pass

    with pytest.raises(UsageError, match="registered twice"):
        entry_kind("test.noted", version=1)(Other)
    with pytest.raises(UsageError, match="cannot name a kind"):
        entry_kind("noted", version=1)(Other)
    with pytest.raises(UsageError, match="cannot name a kind"):
        entry_kind("test.noted", version=0)(Other)


def test_an_open_struct_cannot_be_a_kind() -> None:
    class Opened(Body, frozen=True, forbid_unknown_fields=False):
        pass

    with pytest.raises(UsageError, match="open"):
        entry_kind("test.opened", version=1)(Opened)
