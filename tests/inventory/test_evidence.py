"""Evidence being written: under which charter, and since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from domicile.charter import LoadedCharter, parse_charter
from domicile.inventory import Evidence, ledger_directory
from domicile.inventory.entries import CharterInForce
from domicile.ledger import Clock, Entry, decode, published_keys, read_only, verify_log
from domicile.people import PeopleFrozen
from tests.charter.conftest import CHARTER

LONG = "".join(f'# line {number}: "é" 😀\n' for number in range(10_000))  # 200 KB and more


def frozen(run: str) -> PeopleFrozen:
    return PeopleFrozen(run=run, boundary="us", persons=1, members=1, unknown=0, files=())


def loaded(text: str) -> LoadedCharter:
    """A charter under this text, whatever it says."""
    valid = parse_charter(CHARTER, "domicile.toml", today=date(2026, 1, 1))
    return replace(valid, text=text, sha256=sha256(text.encode()).hexdigest())


def record(records: Path, charter: str, *runs: str) -> None:
    with Evidence(records, loaded(charter)) as evidence:
        for run in runs:
            evidence.record(frozen(run))


def entries(records: Path) -> list[Entry]:
    return [decode(data) for _, data in read_only(ledger_directory(records)).entries()]


def kinds(records: Path) -> list[str]:
    return [entry.kind for entry in entries(records)]


def problems(records: Path) -> tuple[str, ...]:
    log = ledger_directory(records)
    return verify_log(log, published_keys(log), records).problems


def test_the_charters_text_is_in_the_ledger_before_the_first_entry_that_names_it(
    tmp_path: Path,
) -> None:
    record(tmp_path, "the charter", "one", "two")
    text, one, two = entries(tmp_path)
    assert isinstance(text.body, CharterInForce)
    assert text.body.text == "the charter"
    assert {text.charter, one.charter, two.charter} == {sha256(b"the charter").hexdigest()}
    assert problems(tmp_path) == ()


def test_a_text_is_written_once_and_again_for_another_charter(tmp_path: Path) -> None:
    for charter in ("a", "a", "b", "a", "b"):
        record(tmp_path, charter, "run")
    assert kinds(tmp_path) == [
        *("charter.in-force", "people.frozen", "people.frozen"),
        *("charter.in-force", "people.frozen", "people.frozen", "people.frozen"),
    ]
    assert problems(tmp_path) == ()


def test_a_long_charter_is_written_in_parts(tmp_path: Path) -> None:
    assert len(LONG.encode()) > 200_000
    record(tmp_path, LONG, "one")
    record(tmp_path, LONG, "two")
    *parts, _, _ = entries(tmp_path)
    texts = [part.body.text for part in parts if isinstance(part.body, CharterInForce)]
    assert len(texts) > 16  # of one request
    assert "".join(texts) == LONG
    assert problems(tmp_path) == ()


def test_a_text_whose_parts_were_not_all_written_is_completed(tmp_path: Path) -> None:
    with Evidence(tmp_path, loaded(LONG)) as evidence:
        evidence._parts = evidence._parts[:16]  # its writer ended after one request
        evidence._put_in_force()
    record(tmp_path, LONG, "one")
    assert problems(tmp_path) == ()
    texts = [e.body.text for e in entries(tmp_path) if isinstance(e.body, CharterInForce)]
    assert "".join(texts) == LONG


def test_nothing_is_written_before_there_is_something_to_record(tmp_path: Path) -> None:
    record(tmp_path, "a")
    with Evidence(tmp_path, loaded("a")) as evidence:
        evidence.record()
    assert kinds(tmp_path) == []


def test_processes_that_begin_at_once_write_one_text(tmp_path: Path) -> None:
    record(tmp_path, "another charter", "first")
    context = get_context("spawn")
    runs = ("a", "b", "c")
    workers = [context.Process(target=record, args=(tmp_path, LONG, run)) for run in runs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    written = kinds(tmp_path)
    assert written.count("people.frozen") == 4
    texts = [e.body.text for e in entries(tmp_path) if isinstance(e.body, CharterInForce)]
    assert "".join(texts[1:]) == LONG
    assert problems(tmp_path) == ()


def test_a_clock_that_went_back_since_the_last_command_is_in_the_ledger(tmp_path: Path) -> None:
    record(tmp_path, "a", "one")
    later = entries(tmp_path)[-1].time + timedelta(hours=1)
    with Evidence(tmp_path, loaded("a")) as evidence:
        evidence._clock = Clock(now=lambda: later)
        evidence.record(frozen("two"))
    record(tmp_path, "a", "three", "four")
    assert kinds(tmp_path)[2:] == [
        *("people.frozen", "clock.went-back", "people.frozen", "people.frozen"),
    ]
    assert problems(tmp_path) == ()


def test_a_clock_that_went_back_under_a_new_charter_is_said_behind_its_text(tmp_path: Path) -> None:
    with Evidence(tmp_path, loaded("a")) as evidence:
        evidence._clock = Clock(now=lambda: datetime(2100, 1, 1, tzinfo=UTC))
        evidence.record(frozen("one"))
    record(tmp_path, "b", "two")
    assert kinds(tmp_path)[2:] == ["charter.in-force", "clock.went-back", "people.frozen"]
    assert problems(tmp_path) == ()
