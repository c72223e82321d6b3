"""Finding: whatever the index says, only what the signed log says is shown."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from domicile.errors import EvidenceError
from domicile.ledger import Body, Entry, Pseudonym, encode, entry_kind
from domicile.ledger.entries import time_text
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.search import Search
from domicile.ledger.terms import Query
from domicile.ledger.tiles import decode_bundle, encode_bundle
from tests.ledger.test_verify import publish, raw_log
from tests.ledger.world import BEGIN, CHARTER, SIGNER, fill, noted, texts

ANNA, BEN = "p-" + "a" * 26, "p-" + "b" * 25 + "a"


@entry_kind("test.accessed", version=1)
class Accessed(Body, frozen=True):
    """A kind of a part that is still to come: no code of the index knows it."""

    run: str
    sites: tuple[str, ...]
    dataset: str
    staff: str
    pseudonym: Pseudonym
    purpose: str
    rows: int


@entry_kind("test.accessed-more", version=1)
class AccessedMore(Body, frozen=True):
    """Another kind of the same part."""

    site: str


def accessed(number: int, **more: str) -> Entry:
    body = Accessed(
        run=more.get("run", f"run-{number % 3}"),
        sites=("virginia-db", f"site-{number % 4}"),
        dataset=("messages", "videos")[number % 2],
        staff=more.get("staff", f"staff-{number % 5}"),
        pseudonym=(ANNA, BEN)[number % 2],
        purpose="moderation",
        rows=3,
    )
    return Entry(body, BEGIN + timedelta(minutes=number), CHARTER)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 accesses, and one entry of another kind at 300."""
    directory = tmp_path_factory.mktemp("found") / "ledger"
    other = Entry(AccessedMore("site-9"), BEGIN, CHARTER)
    fill(directory, [*(accessed(number) for number in range(300)), other])
    return directory


@pytest.fixture
def log(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "ledger"))


def index_of(log: Path) -> Path:
    return log.parent / "cache" / "index.sqlite"


def open_search(log: Path) -> Search:
    return Search(log, [SIGNER.vkey], index_of(log))


def find(log: Path, *kinds: str, **terms: str) -> list[int]:
    return open_search(log).find(Query(kinds, terms), 1000)


def poison(log: Path, *statements: str) -> None:
    with closing(sqlite3.connect(index_of(log))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"run": "run-1"}, [n for n in range(300) if n % 3 == 1]),
        ({"site": "site-2"}, [n for n in range(300) if n % 4 == 2]),
        ({"site": "site-9"}, [300]),
        ({"dataset": "messages", "staff": "staff-4"}, list(range(4, 300, 10))),
        ({"pseudonym": BEN, "run": "run-0"}, list(range(3, 300, 6))),
        ({"purpose": "moderation"}, list(range(300))),
        ({"purpose": "engineering"}, []),
        ({"rows": "3"}, []),
        ({}, list(range(301))),
    ],
)
def test_entries_are_found_by_the_names_of_their_fields(
    log: Path, terms: dict[str, str], expected: list[int]
) -> None:
    assert find(log, **terms) == expected


def test_entries_are_found_by_kind_part_time_and_text(log: Path) -> None:
    search = open_search(log)
    assert find(log, "test.accessed-more") == [300]
    assert find(log, "test.accessed") == list(range(300))
    assert find(log, "test") == list(range(301))
    assert find(log, "tes", "move") == []
    since, until = (time_text(BEGIN + timedelta(minutes=n)) for n in (10, 12))
    assert search.find(Query(since=since, until=until), 9) == [10, 11]
    assert search.find(Query(text='"staff":"staff-3","pseudo'), 9) == []
    assert search.find(Query(text='"staff":"staff-3"}'), 2) == [3, 8]


def test_no_more_than_the_limit_are_found_the_earliest_first(log: Path) -> None:
    assert open_search(log).find(Query(terms={"run": "run-2"}), 2) == [2, 5]


def test_what_is_read_is_the_entry_itself(log: Path) -> None:
    (found,) = open_search(log).read([7])
    assert found.data == encode(accessed(7))
    assert (found.kind, found.number) == ("test.accessed", 7)


def test_the_index_follows_the_log(log: Path) -> None:
    assert find(log, run="run-7") == []
    for number in (301, 302):
        fill(log, [accessed(number, run="run-7")])
        search = open_search(log)
        assert search.find(Query(terms={"run": "run-7"}), 9)[-1] == number
        assert search.made_anew == ""
    fill(log, [accessed(number) for number in range(303, 700)])
    assert find(log, run="run-0") == [n for n in range(700) if n % 3 == 0 and not 300 <= n < 303]


def test_an_empty_log_has_nothing_to_find(tmp_path: Path) -> None:
    fill(tmp_path / "ledger", [])
    assert find(tmp_path / "ledger") == []
    assert find(tmp_path / "ledger") == []
    fill(tmp_path / "ledger", [noted("a")])
    assert find(tmp_path / "ledger") == [0]


def test_processes_that_search_at_once_make_one_index(log: Path) -> None:
    with get_context("spawn").Pool(3) as pool:
        results = pool.map(find, [log] * 6, chunksize=1)
    assert results == [list(range(301))] * 6
    assert open_search(log).made_anew == ""


# --- an index that is wrong

_WRONG_ROWS = {
    "a term the entry has not": "INSERT INTO term VALUES ('staff', 'mallory', 5)",
    "an entry the log has not": "INSERT INTO entry VALUES (301, 'test.accessed', '2026')",
    "an entry far beyond": "INSERT INTO entry VALUES (9000000000, 'test.accessed', '2026')",
    "an entry before the first": "INSERT INTO entry VALUES (-1, 'test.accessed', '2026')",
    "an entry less": "DELETE FROM entry WHERE number = 5",
    "an entry moved": "UPDATE entry SET number = 7000 WHERE number = 5",
    "another kind": "UPDATE entry SET kind = 'test.accessed-more' WHERE number = 5",
    "another time": "UPDATE entry SET time = '2025-06-01' WHERE number = 5",
    "another log": "UPDATE head SET origin = 'example.com/other'",
    "a size that is no number": "UPDATE head SET size = 'x'",
    "a longer log": "UPDATE head SET size = 302",
    "a shorter log": "UPDATE head SET size = 300",
    "another root": "UPDATE head SET root = zeroblob(32)",
    "no head": "DELETE FROM head",
    "two heads": "INSERT INTO head SELECT * FROM head",
    "another schema": "CREATE VIEW more AS SELECT * FROM entry",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry; END",
    "a table less": "DROP TABLE term",
}


@pytest.mark.parametrize("fault", _WRONG_ROWS)
def test_wrong_rows_show_nothing_that_the_log_does_not_say(log: Path, fault: str) -> None:
    assert find(log)
    poison(log, _WRONG_ROWS[fault])
    search = open_search(log)
    assert search.find(Query(terms={"staff": "mallory"}), 9) == []
    assert search.find(Query(("test.accessed-more",)), 9) == [300]
    assert search.find(Query(until="2025-12-31"), 9) == []
    assert search.find(Query(), 1000) == list(range(301))
    assert search.made_anew
    assert open_search(log).made_anew == ""


def test_a_wrong_row_brings_back_what_other_wrong_rows_hid(log: Path) -> None:
    assert find(log, staff="staff-1") == list(range(1, 300, 5))
    poison(
        log,
        "DELETE FROM term WHERE number = 1 AND name = 'staff'",
        "INSERT INTO term VALUES ('staff', 'staff-1', 200)",
    )
    assert find(log, staff="staff-1") == list(range(1, 300, 5))


def test_terms_taken_out_stay_hidden_until_the_index_is_made_anew(log: Path) -> None:
    """The known limit: the page on the records says so."""
    find(log)
    poison(log, "DELETE FROM term WHERE number = 1")
    search = open_search(log)
    asked = Query(terms={"staff": "staff-1"})
    assert search.find(asked, 1) == [6]
    search.rebuild()
    assert search.find(asked, 1) == [1]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_index_is_made_one(log: Path, content: bytes) -> None:
    index_of(log).parent.mkdir()
    index_of(log).write_bytes(content)
    assert find(log, run="run-1")[:2] == [1, 4]


@pytest.mark.parametrize("place", range(12))
def test_damage_in_the_middle_of_the_index_is_found_or_harmless(log: Path, place: int) -> None:
    find(log)
    data = bytearray(index_of(log).read_bytes())
    start = 4096 * (1 + place)
    data[start : start + 2048] = b"\xa5" * 2048
    index_of(log).write_bytes(data)
    search = open_search(log)
    for terms, expected in (({"run": "run-1"}, 100), ({}, 301), ({"staff": "mallory"}, 0)):
        assert len(search.find(Query(terms=terms), 1000)) == expected


# --- a log that is wrong

Change = Callable[[list[bytes]], list[bytes]]
BUNDLE, TILE = "tile/entries/001.p/45", "tile/0/001.p/45"


def rewrite(log: Path, change: Change, *, with_tile: bool = False) -> None:
    entries = change(decode_bundle((log / BUNDLE).read_bytes(), 45))
    (log / BUNDLE).write_bytes(encode_bundle(entries))
    if with_tile:
        (log / TILE).write_bytes(b"".join(leaf_hash(entry) for entry in entries))


def forge(entries: list[bytes]) -> list[bytes]:
    return [encode(accessed(256, staff="mallory")), *entries[1:]]


def test_an_entry_that_was_changed_is_not_shown(log: Path) -> None:
    find(log)
    rewrite(log, forge)
    with pytest.raises(EvidenceError, match="entry 256 does not fit its hash"):
        find(log)
    assert open_search(log).find(Query(), 2) == [0, 1]  # other bundles are none the worse


def test_an_entry_that_was_changed_together_with_its_hash_is_not_shown(log: Path) -> None:
    search = open_search(log)
    rewrite(log, forge, with_tile=True)
    with pytest.raises(EvidenceError, match="not in the tree"):
        search.find(Query(), 1000)
    with pytest.raises(EvidenceError, match="do not lead to its signed root"):
        open_search(log)


def test_a_changed_log_is_not_indexed(log: Path) -> None:
    rewrite(log, forge, with_tile=True)
    with pytest.raises(EvidenceError, match="do not lead to its signed root"):
        find(log)
    shutil.rmtree(log / "tile/entries")
    with pytest.raises(EvidenceError, match="missing"):
        find(log)


def test_a_log_whose_checkpoint_nobody_trusted_signed_is_not_searched(log: Path) -> None:
    publish(log, 301, bytes(32))
    with pytest.raises(EvidenceError, match="root"):
        find(log)
    (log / "checkpoint").write_bytes(
        (log / "checkpoint").read_bytes().replace(b"\n301\n", b"\n300\n")
    )
    with pytest.raises(EvidenceError, match="signature"):
        find(log)
    (log / "checkpoint").unlink()
    with pytest.raises(EvidenceError, match="no checkpoint"):
        find(log)


def test_another_history_of_the_same_name_is_indexed_anew(log: Path, tmp_path: Path) -> None:
    find(log)
    other = tmp_path / "other"
    fill(other, [accessed(number, staff="somebody") for number in range(400)])
    shutil.rmtree(log)
    shutil.copytree(other, log)
    search = open_search(log)
    assert search.made_anew
    assert search.find(Query(terms={"staff": "staff-1"}), 9) == []
    assert len(search.find(Query(terms={"staff": "somebody"}), 1000)) == 400


def test_a_log_rolled_back_is_indexed_anew(log: Path, tmp_path: Path) -> None:
    earlier = Path(shutil.copytree(log, tmp_path / "earlier"))
    fill(log, texts("a", 5))
    assert find(log, "test.noted") == list(range(301, 306))
    shutil.rmtree(log)
    shutil.copytree(earlier, log)
    assert find(log, "test.noted") == []


def test_kinds_that_are_unknown_here_and_what_is_no_entry_can_be_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = encode(accessed(1)).replace(b"test.accessed", b"test.from-the-future")
    bodiless = encode(noted("a")).replace(b'"body":{', b'"body":[{').replace(b"},", b"}],", 1)
    raw_log(tmp_path / "ledger", [unknown, b"\xff", b"", bodiless], monkeypatch)
    assert find(tmp_path / "ledger", "test.from-the-future", run="run-1") == [0]
    assert find(tmp_path / "ledger") == [0, 1, 2, 3]
    assert [f.kind for f in open_search(tmp_path / "ledger").read([1, 3])] == ["", "test.noted"]
