"""A reader that remembers: rollbacks and forks give themselves away to whoever looks twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from domicile.errors import SiteRefused, UsageError
from domicile.ledger import FileSigner, Seen, Verification, read_seen, seen_directory
from domicile.ledger.keys import COSIGN_MLDSA44
from tests.ledger.world import ORIGIN, SIGNER, check, fill, texts


def look(log: Path, seen: Seen) -> Verification:
    """What ``domicile ledger verify`` does."""
    found = check(log, seen=seen.notes())
    if found.sound:
        seen.remember(found.checkpoint.encode())
    return found


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen.under(tmp_path / "state" / "seen", [SIGNER.vkey])


def test_a_log_that_grows_is_sound_each_time(tmp_path: Path, seen: Seen) -> None:
    for count in (0, 1, 300, 5):
        fill(tmp_path / "log", texts("a", count))
        assert look(tmp_path / "log", seen).sound
    assert seen.notes() == [(tmp_path / "log" / "checkpoint").read_bytes()]


def test_a_log_that_was_rolled_back_is_found_by_whoever_looked_before(
    tmp_path: Path, seen: Seen
) -> None:
    fill(tmp_path / "log", texts("a", 10))
    earlier = Path(shutil.copytree(tmp_path / "log", tmp_path / "earlier"))
    fill(tmp_path / "log", texts("b", 1))
    assert look(tmp_path / "log", seen).sound
    assert look(earlier, seen).problems == (
        "the log was rolled back: checkpoint 1 seen earlier covers 11 entries, the log now 10",
    )
    assert look(tmp_path / "log", seen).sound, "what was seen stays, whatever was shown since"


def test_two_histories_shown_one_after_the_other_are_found(tmp_path: Path, seen: Seen) -> None:
    fill(tmp_path / "one", texts("a", 300))
    fill(tmp_path / "two", texts("b", 900))
    assert look(tmp_path / "one", seen).sound
    assert look(tmp_path / "two", seen).problems == (
        "the entries do not lead to the root signed at size 300",
    )
    assert look(tmp_path / "one", seen).sound


def test_two_readers_who_were_shown_different_histories_find_out_together(
    tmp_path: Path,
) -> None:
    for name, count in (("one", 20), ("two", 30)):
        fill(tmp_path / name, texts(name, count))
        seen = Seen.under(tmp_path / f"state-{name}", [SIGNER.vkey])
        assert look(tmp_path / name, seen).sound
    (theirs,) = Seen.under(tmp_path / "state-one", [SIGNER.vkey]).notes()
    assert not check(tmp_path / "two", seen=[theirs]).sound


def test_a_log_is_recognised_by_any_of_the_keys_that_were_trusted(tmp_path: Path) -> None:
    lasting = FileSigner(ORIGIN, bytes(32), COSIGN_MLDSA44)
    Seen.under(tmp_path, [SIGNER.vkey, lasting.vkey]).remember(b"note")
    for keys in ([SIGNER.vkey], [lasting.vkey], [lasting.vkey, f" {SIGNER.vkey}\n"]):
        assert Seen.under(tmp_path, keys).notes() == [b"note"]
    assert Seen.under(tmp_path, [FileSigner(ORIGIN, bytes(32)).vkey]).notes() == []


def test_what_cannot_be_read_is_not_taken_for_nothing_seen(tmp_path: Path, seen: Seen) -> None:
    (path,) = seen.paths
    path.mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot be read"):
        seen.notes()
    path.rmdir()
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="cannot be read"):
        seen.notes()


def test_a_damaged_memory_is_a_problem_and_is_kept(tmp_path: Path, seen: Seen) -> None:
    fill(tmp_path / "log", texts("a", 3))
    (path,) = seen.paths
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a no")
    problems = look(tmp_path / "log", seen).problems
    assert problems == ("checkpoint 1 seen earlier: the note is malformed",)
    assert path.read_bytes() == b"half a no"


def test_where_nothing_can_be_remembered_the_reader_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SiteRefused, match="cannot be remembered"):
        Seen.under(tmp_path / "file" / "seen", [SIGNER.vkey]).remember(b"note")


def test_a_memory_is_its_owners_alone(seen: Seen) -> None:
    seen.remember(b"note")
    (path,) = seen.paths
    assert path.stat().st_mode & 0o777 == 0o600
    assert [read_seen(path)] == seen.notes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/domicile/seen"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/state/domicile/seen"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/domicile/seen"),
    ],
)
def test_the_memory_lies_where_the_xdg_specification_says(
    environ: dict[str, str], expected: str
) -> None:
    assert seen_directory(environ) == Path(expected)
