"""Publishing a log: what a target holds at every instant, and what it never lets happen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domicile.errors import EvidenceError, SiteRefused
from domicile.ledger import (
    DirectorySource,
    DirectoryTarget,
    FileSigner,
    Published,
    Source,
    Target,
    encode,
    publish,
    verify_log,
)
from domicile.ledger.tiles import Tile
from tests.ledger.world import ORIGIN, SIGNER, fill, noted, open_ledger, texts

STEPS = (0, 1, 255, 256, 257, 300, 511, 512, 1000, 70_000)


@dataclass(frozen=True)
class Memory:
    """A target in memory that notes every write, and fails on order."""

    files: dict[str, bytes] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    fail_at: list[int] = field(default_factory=list)

    @property
    def place(self) -> str:
        return "memory"

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        data = self.files.get(name)
        assert data is None or len(data) <= limit_bytes
        return data

    def tiles(self) -> Iterator[Tile]:
        return (tile for tile in map(Tile.parse, self.files) if tile is not None)

    def write(self, name: str, data: bytes) -> None:
        if self.fail_at and len(self.writes) == self.fail_at[0]:
            raise SiteRefused("the target is full")
        self.writes.append(name)
        self.files[name] = data

    def drop_partials(self, tile: Tile) -> None:
        for name in [name for name in self.files if name.startswith(f"{tile.path}.p/")]:
            del self.files[name]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    fill(tmp_path / "log", texts("a", 600))
    return tmp_path / "log"


def put(log: Path, target: Target) -> Published:
    return publish(log, target, [SIGNER.vkey])


def is_sound(target: Source) -> bool:
    return verify_log(target, [SIGNER.vkey], None).sound


def test_a_published_directory_holds_what_the_log_serves(log: Path, tmp_path: Path) -> None:
    www = tmp_path / "www" / "ledger"
    done = put(log, DirectoryTarget(www))
    assert (done.origin, done.before, done.size) == (ORIGIN, 0, 600)
    served = {
        path.relative_to(log): path.read_bytes()
        for path in log.rglob("*")
        if path.is_file() and ".log" not in path.parts
    }
    there = {path.relative_to(www): path.read_bytes() for path in www.rglob("*") if path.is_file()}
    assert there == served
    assert done.files == len(served)
    assert is_sound(DirectorySource(www))


def test_a_log_published_as_it_grows_is_always_sound_and_nothing_is_written_twice(
    tmp_path: Path,
) -> None:
    target, one = Memory(), encode(noted("a"))
    with open_ledger(tmp_path) as log:
        for size in STEPS:
            log.extend([one] * (size - log.size))
            before = len(target.writes)
            done = put(tmp_path, target)
            assert done.size == size
            assert done.files == len(target.writes) - before
            assert is_sound(target)
    tiles = [name for name in target.writes if name != "checkpoint"]
    assert len(tiles) == len(set(tiles))
    assert {Tile.parse(name) for name in target.files} - {None} == set(
        DirectorySource(tmp_path).tiles()
    )


def test_what_is_there_already_is_not_written_again(log: Path) -> None:
    target = Memory()
    put(log, target)
    assert put(log, target) == Published(ORIGIN, 600, 600, 0, 0)


def test_wherever_publishing_breaks_off_readers_see_a_sound_log_and_it_goes_on(
    log: Path,
) -> None:
    whole = Memory()
    put(log, whole)
    grown = texts("b", 700)
    fill(log, grown)
    after = Memory(dict(whole.files))
    put(log, after)
    for at in range(len(after.writes)):
        target = Memory(dict(whole.files), fail_at=[at])
        with pytest.raises(SiteRefused):
            put(log, target)
        assert target.files["checkpoint"] == whole.files["checkpoint"]
        assert is_sound(target)
        target.fail_at.clear()
        assert put(log, target).size == 1300
        assert target.files == after.files
        assert target.writes[-1] == "checkpoint"


def test_a_first_publication_that_broke_off_shows_no_log_at_all(log: Path) -> None:
    target = Memory(fail_at=[3])
    with pytest.raises(SiteRefused):
        put(log, target)
    with pytest.raises(EvidenceError, match="no checkpoint"):
        is_sound(target)


def test_a_tile_is_never_replaced_by_other_bytes(log: Path) -> None:
    target = Memory({"tile/entries/001": b"others"})
    with pytest.raises(EvidenceError, match="another tile/entries/001"):
        put(log, target)
    assert target.files["tile/entries/001"] == b"others"
    assert "checkpoint" not in target.files


def test_a_rolled_back_log_does_not_replace_a_longer_one(log: Path, tmp_path: Path) -> None:
    target, earlier = Memory(), Path(shutil.copytree(log, tmp_path / "earlier"))
    fill(log, texts("b", 1))
    put(log, target)
    with pytest.raises(EvidenceError, match="holds 601 entries and this log 600"):
        put(earlier, target)
    assert is_sound(target)


def test_a_fork_does_not_replace_what_was_published(log: Path, tmp_path: Path) -> None:
    target = Memory()
    put(log, target)
    before = dict(target.files)
    fill(tmp_path / "fork", texts("c", 900))
    with pytest.raises(EvidenceError, match="does not"):
        put(tmp_path / "fork", target)
    assert target.files == before


def test_another_log_is_not_overwritten(log: Path, tmp_path: Path) -> None:
    from domicile.ledger import Log  # noqa: PLC0415 - of this test alone

    other = FileSigner("example.com/other", bytes(32))
    Log.open(tmp_path / "other", [other], other.name).close()
    target = Memory()
    publish(tmp_path / "other", target, [other.vkey])
    with pytest.raises(EvidenceError):
        publish(log, target, [SIGNER.vkey])
    with pytest.raises(EvidenceError, match="another log"):
        publish(log, target, [SIGNER.vkey, other.vkey])


def test_only_what_trusted_keys_signed_is_published(log: Path) -> None:
    target = Memory()
    with pytest.raises(EvidenceError, match="no key that you trust"):
        publish(log, target, [FileSigner(ORIGIN, bytes(32)).vkey])
    assert target.files == {}


def test_a_damaged_log_is_not_published(log: Path) -> None:
    target = Memory()
    (log / "tile/0/001").unlink()
    with pytest.raises(EvidenceError, match="tile/0/001 is missing"):
        put(log, target)
    assert "checkpoint" not in target.files


def test_a_checkpoint_behind_the_signed_one_is_published_as_it_is(log: Path) -> None:
    """Witnesses are away: the signed tree is ahead of what may be shown."""
    target, shown = Memory(), (log / "checkpoint").read_bytes()
    fill(log, texts("b", 900))
    (log / "checkpoint").write_bytes(shown)
    assert put(log, target).size == 600
    assert is_sound(target)
