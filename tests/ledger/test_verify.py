from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from domicile.errors import EvidenceError, UsageError
from domicile.ledger import Entry, FileSigner, Log, digest_file, encode, verify_log
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.signing import sign_note
from domicile.ledger.tiles import decode_bundle, encode_bundle
from tests.ledger.world import (
    BEGIN,
    CHARTER,
    ORIGIN,
    SIGNER,
    Noted,
    check,
    entry,
    fill,
    noted,
    open_ledger,
    texts,
)

BUNDLE = "tile/entries/001.p/44"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "ledger"
    fill(directory, texts("a", 300))
    return directory


@pytest.fixture
def log(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "ledger"))


def rewrite(path: Path, width: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(encode_bundle(change(decode_bundle(path.read_bytes(), width))))


def publish(directory: Path, size: int, root: bytes, signer: FileSigner = SIGNER) -> None:
    note = sign_note(Checkpoint(signer.name, size, root).text, [signer], 1)
    (directory / "checkpoint").write_bytes(note.encode())
    (directory / ".log" / "signed").unlink(missing_ok=True)


def test_a_whole_log_is_sound_and_counted(log: Path) -> None:
    found = check(log)
    assert found.sound
    assert (found.origin, found.size, found.notices) == (ORIGIN, 300, ())
    assert found.entries_by_kind == {"test.noted": 300}
    assert len(found.root) == 64


def test_a_changed_entry_is_named(log: Path) -> None:
    rewrite(log / BUNDLE, 44, lambda all_: [*all_[:4], encode(noted("forged")), *all_[5:]])
    problems = check(log).problems
    assert "entry 260 does not fit its hash in the tree" in problems
    assert "the entries do not lead to the root signed at size 300" in problems


def test_a_changed_entry_with_its_tile_made_to_fit_is_still_found(log: Path) -> None:
    rewrite(log / BUNDLE, 44, lambda all_: [*all_[:4], encode(noted("forged")), *all_[5:]])
    leaves = [leaf_hash(data) for data in decode_bundle((log / BUNDLE).read_bytes(), 44)]
    (log / "tile/0/001.p/44").write_bytes(b"".join(leaves))
    assert check(log).problems == ("the entries do not lead to the root signed at size 300",)


def test_reordered_entries_are_named(log: Path) -> None:
    rewrite(log / BUNDLE, 44, lambda all_: [all_[1], all_[0], *all_[2:]])
    problems = check(log).problems
    assert {f"entry {n} does not fit its hash in the tree" for n in (256, 257)} <= set(problems)


def test_a_removed_entry_is_found(log: Path) -> None:
    rewrite(log / BUNDLE, 44, lambda all_: all_[:-1])
    assert any("holds only 43 entries" in problem for problem in check(log).problems)


def test_an_added_entry_is_found(log: Path) -> None:
    rewrite(log / BUNDLE, 44, lambda all_: [*all_, encode(noted("more"))])
    assert any("holds more 44 entries" in problem for problem in check(log).problems)


def test_a_truncated_tile_is_found_and_the_root_still_holds(log: Path) -> None:
    path = log / "tile/0/000"
    path.write_bytes(path.read_bytes()[:-32])
    assert check(log).problems == ("tile/0/000: the tile has 8160 bytes",)


def test_an_upper_tile_that_does_not_follow_is_found(log: Path) -> None:
    (log / "tile/1/000.p/1").write_bytes(bytes(32))
    assert check(log).problems == ("tile/1/000.p/1 does not follow from the entries under it",)


def test_a_missing_bundle_does_not_hide_the_rest(log: Path) -> None:
    (log / "tile/entries/000").unlink()
    rewrite(log / BUNDLE, 44, lambda all_: [*all_[:-1], encode(noted("forged"))])
    problems = check(log).problems
    assert "tile/entries/000: tile/entries/000 is missing" in problems
    assert "entry 299 does not fit its hash in the tree" in problems


def test_missing_bundle_and_tile_are_reported_and_the_rest_is_read(log: Path) -> None:
    (log / "tile/entries/000").unlink()
    (log / "tile/0/000").unlink()
    found = check(log)
    assert "entries 0 to 255 are missing" in found.problems
    assert found.root == ""
    assert found.entries_by_kind == {"test.noted": 44}


def test_a_checkpoint_with_an_absurd_size_ends_with_a_finding(log: Path) -> None:
    publish(log, 10**18, bytes(32))
    problems = check(log).problems
    assert any(problem.startswith("entries 256 to ") for problem in problems)


def test_a_checkpoint_under_a_wrong_key_is_a_problem_and_the_rest_is_judged(log: Path) -> None:
    stranger = FileSigner(ORIGIN, bytes(32))
    found = verify_log(log, [stranger.vkey], log)
    assert found.size == 300
    assert [p for p in found.problems if "no key that you trust" in p]
    assert len(found.problems) == 1


def test_a_forged_signature_is_a_problem(log: Path) -> None:
    path = log / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n300\n", b"\n299\n"))
    (log / ".log" / "signed").unlink()
    problems = check(log).problems
    assert f"the checkpoint: the signature of {ORIGIN} is wrong" in problems


def test_a_malformed_key_is_the_callers_error(log: Path) -> None:
    with pytest.raises(UsageError):
        verify_log(log, ["nonsense"], log)


@pytest.mark.parametrize("content", [None, b"", b"\xff\x00"])
def test_without_any_readable_checkpoint_nothing_can_be_said(
    log: Path, content: bytes | None
) -> None:
    shutil.rmtree(log / ".log")
    (log / "checkpoint").unlink()
    if content is not None:
        (log / "checkpoint").write_bytes(content)
    with pytest.raises(EvidenceError):
        check(log)


def test_a_rollback_is_found_by_whoever_kept_a_checkpoint(log: Path, tmp_path: Path) -> None:
    earlier = Path(shutil.copytree(log, tmp_path / "earlier"))
    fill(log, texts("b", 5))
    kept = (log / "checkpoint").read_bytes()
    assert check(log, seen=[kept, (earlier / "checkpoint").read_bytes()]).sound
    problems = check(earlier, seen=[kept]).problems
    assert problems == (
        "the log was rolled back: checkpoint 1 seen earlier covers 305 entries, the log now 300",
    )


def test_two_histories_are_found_by_whoever_kept_a_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path / "one", texts("a", 10))
    fill(tmp_path / "two", texts("b", 20))
    kept = (tmp_path / "one" / "checkpoint").read_bytes()
    problems = check(tmp_path / "two", seen=[kept]).problems
    assert problems == ("the entries do not lead to the root signed at size 10",)


def test_a_checkpoint_of_another_log_is_not_compared(log: Path, tmp_path: Path) -> None:
    other = FileSigner("example.com/other", bytes(32))
    Log.open(tmp_path / "other", [other], other.name).close()
    kept = (tmp_path / "other" / "checkpoint").read_bytes()
    found = verify_log(log, [SIGNER.vkey, other.vkey], log, seen=[kept])
    assert found.problems == ("checkpoint 1 seen earlier is of another log, example.com/other",)


def test_a_published_checkpoint_behind_the_signed_one_is_noticed(log: Path) -> None:
    old = (log / "checkpoint").read_bytes()
    fill(log, texts("b", 1))
    (log / "checkpoint").write_bytes(old)
    found = check(log)
    assert found.size == 301
    assert found.sound
    assert "is behind the last one signed (size 301)" in found.notices[0]


def test_files_are_hashed_and_changed_or_missing_ones_are_named(tmp_path: Path) -> None:
    records, log = tmp_path, tmp_path / "ledger"
    names = ["same", "changed", "resized", "gone", "pipe", "device"]
    for name in names:
        (records / name).write_text(name)
    files = tuple(digest_file(records / name, records) for name in names)
    fill(log, [entry(Noted("a", files)), entry(Noted("again", files[:1]))])
    assert check(log, records).files_checked == 7
    assert check(log, records).sound
    (records / "changed").write_text("CHANGED")
    (records / "resized").write_text("resized!")
    (records / "gone").unlink()
    (records / "pipe").unlink()
    os.mkfifo(records / "pipe")
    (records / "device").unlink()
    (records / "device").symlink_to("/dev/null")
    assert check(log, records).problems == (
        "entry 0: its file changed was changed",
        "entry 0: its file device cannot be read",
        "entry 0: its file gone cannot be read",
        "entry 0: its file pipe cannot be read",
        "entry 0: its file resized was changed",
    )


def test_only_files_of_the_records_can_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "outside").write_text("x")
    for path in (tmp_path / "outside", tmp_path / "records", tmp_path / "records" / "absent"):
        with pytest.raises(UsageError):
            digest_file(path, tmp_path / "records")


def test_what_an_entry_requires_must_have_been_established_before(tmp_path: Path) -> None:
    fill(
        tmp_path,
        [
            entry(Noted("erased", needs=("verified:1",))),
            entry(Noted("verified", claims=("verified:1",))),
            entry(Noted("erased", needs=("verified:1",))),
            entry(Noted("own", claims=("verified:2",), needs=("verified:2",))),
        ],
    )
    assert check(tmp_path).problems == tuple(
        f"entry {index}: test.noted requires 'verified:{n}', which no earlier entry established"
        for index, n in ((0, 1), (3, 2))
    )


def test_a_clock_that_went_back_is_noticed_and_no_problem(tmp_path: Path) -> None:
    fill(tmp_path, [noted("a", minute=5), noted("b", minute=4), noted("c", minute=6)])
    found = check(tmp_path)
    assert found.sound
    assert found.notices == (
        "entry 1: its clock went back, from 2026-01-01T00:05:00.000Z to 2026-01-01T00:04:00.000Z",
    )


def raw_log(directory: Path, entries: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A log whose writer did not check what it wrote."""
    written = iter(entries)
    monkeypatch.setattr("domicile.ledger.log.encode", lambda _: next(written))
    with open_ledger(directory) as ledger:
        ledger.append([Entry(Noted(""), BEGIN + timedelta(0), CHARTER)] * len(entries))


def test_unknown_kinds_and_unreadable_entries_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = encode(noted("a"))
    unknown = good.replace(b"test.noted", b"test.from-the-future")
    raw_log(tmp_path, [good, unknown, b"\xff", b"", good], monkeypatch)
    found = check(tmp_path)
    assert found.entries_by_kind == {"test.from-the-future": 1, "test.noted": 2}
    assert found.problem_count == 3
    assert found.problems[0] == ("entry 1: its kind test.from-the-future version 1 is unknown here")
    assert [problem.split(":")[0] for problem in found.problems[1:]] == ["entry 2", "entry 3"]


def test_problems_are_all_counted_but_only_the_first_thousand_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw_log(tmp_path, [b"{}"] * 1500, monkeypatch)
    found = check(tmp_path)
    assert (found.problem_count, len(found.problems)) == (1500, 1000)
