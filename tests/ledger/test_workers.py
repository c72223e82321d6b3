"""A log of several spans: the same is found in the same order by one process and by several."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from domicile.errors import SiteUnreachable
from domicile.ledger import Verification, digest_file, encode, verify_log, walk
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.spans import SPAN
from domicile.ledger.tiles import Tile, decode_bundle, encode_bundle
from tests.ledger.test_verify import publish
from tests.ledger.world import SIGNER, Noted, entry, noted, open_ledger

SIZE = 2 * SPAN + 5 * 256 + 7
EARLIER = (1, 300, SPAN, SPAN + 256, SIZE - 3)
Damage = Callable[[Path], None]


def body(number: int) -> Noted:
    """Every hundredth establishes a claim, which some later ones, of other spans too, require."""
    claims = (f"made:{number}",) if number % 100 == 0 else ()
    needs = (f"made:{number - number % 10_000}",) if number % 7 == 0 and number % 100 else ()
    return Noted(f"{number}", claims=claims, needs=needs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("spans")
    (directory / "file").write_text("content")
    (directory / "seen").mkdir()
    file = digest_file(directory / "file", directory)
    encoded = [encode(entry(body(number))) for number in range(SIZE)]
    for number in (5, SPAN + 5, SIZE - 1):
        encoded[number] = encode(entry(Noted("file", (file,))))
    with open_ledger(directory / "ledger") as log:
        for end in (*EARLIER, SIZE):
            log.extend(encoded[log.size : end])
            note = (directory / "ledger" / "checkpoint").read_bytes()
            (directory / "seen" / f"{end:08}").write_bytes(note)
    return directory


@pytest.fixture
def records(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "records"))


def verify(records: Path, workers: int) -> Verification:
    seen = [path.read_bytes() for path in sorted((records / "seen").iterdir())]
    directory = records / "ledger"
    return verify_log(directory, [SIGNER.vkey], records, seen=seen, workers=workers)


def bundle(records: Path, index: int, width: int = 256) -> Path:
    return records / "ledger" / Tile(None, index, width).path


def forge(records: Path, number: int) -> None:
    path = bundle(records, number // 256)
    entries = decode_bundle(path.read_bytes(), 256)
    entries[number % 256] = encode(noted("forged", minute=number))
    path.write_bytes(encode_bundle(entries))


def forge_some(records: Path) -> None:
    for number in (3, SPAN - 1, SPAN, 2 * SPAN + 300):
        forge(records, number)


def forge_with_tile(records: Path) -> None:
    forge(records, SPAN + 9)
    entries = decode_bundle(bundle(records, SPAN // 256).read_bytes(), 256)
    tile = records / "ledger" / Tile(0, SPAN // 256).path
    tile.write_bytes(b"".join(map(leaf_hash, entries)))


def drop_claims(records: Path) -> None:
    """An entry that established something is another one now."""
    forge(records, 10_000)
    forge(records, 0)


def drop_a_span(records: Path) -> None:
    """From the middle of a span to the middle of the next one, whole ones too."""
    for index in range(40, 2 * SPAN // 256 + 2):
        bundle(records, index).unlink()
        (records / "ledger" / Tile(0, index).path).unlink()


def drop_everything(records: Path) -> None:
    shutil.rmtree(records / "ledger" / "tile")


def drop_bundles(records: Path) -> None:
    for index in (0, 64, 65, 128):
        bundle(records, index).unlink()


def swap_bundles(records: Path) -> None:
    one, two = bundle(records, 3), bundle(records, 70)
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)


def cut_tiles(records: Path) -> None:
    for tile in (Tile(0, 1), Tile(0, 64), Tile(1, 0, SIZE // 256), Tile(0, SIZE // 256, 7)):
        path = records / "ledger" / tile.path
        path.write_bytes(path.read_bytes()[:-32])


def change_file(records: Path) -> None:
    (records / "file").write_text("CONTENT")


def fork_what_was_seen(records: Path) -> None:
    for note in sorted((records / "seen").iterdir())[1:4]:
        publish(records, int(note.name), bytes(32))
        (records / "checkpoint").rename(note)


def sign_an_absurd_size(records: Path) -> None:
    publish(records / "ledger", 10**18 + 5, bytes(32))


@pytest.mark.parametrize(
    "damage",
    [
        forge_some,
        forge_with_tile,
        drop_claims,
        drop_a_span,
        drop_everything,
        drop_bundles,
        swap_bundles,
        cut_tiles,
        change_file,
        fork_what_was_seen,
        sign_an_absurd_size,
    ],
)
def test_the_same_is_found_whatever_the_workers(records: Path, damage: Damage) -> None:
    damage(records)
    one = verify(records, 1)
    assert not one.sound
    assert verify(records, 2) == one
    assert verify(records, 3) == one


def test_a_sound_log_is_sound_whatever_the_workers(whole: Path) -> None:
    one = verify(whole, 1)
    assert (one.problems, one.size, one.files_checked) == ((), SIZE, 3)
    assert one.entries_by_kind == {"test.noted": SIZE}
    assert verify(whole, 2) == one


def test_problems_come_in_the_order_of_the_log(records: Path) -> None:
    forge_some(records)
    named = [problem for problem in verify(records, 2).problems if "does not fit" in problem]
    assert [int(problem.split()[1]) for problem in named] == [3, SPAN - 1, SPAN, 2 * SPAN + 300]


def test_a_claim_of_an_earlier_span_is_missed_where_it_was_replaced(records: Path) -> None:
    drop_claims(records)
    unmet = [problem for problem in verify(records, 2).problems if "requires" in problem]
    replaced = {"made:0", "made:10000"}
    expected = [n for n in range(SIZE) if replaced & set(body(n).needs)]
    assert [int(problem.split()[1].rstrip(":")) for problem in unmet] == expected[: len(unmet)]
    assert len(unmet) > 900


def test_what_lies_behind_a_missing_span_is_read(records: Path) -> None:
    drop_a_span(records)
    found = verify(records, 2)
    gap = (2 * SPAN // 256 + 2 - 40) * 256
    assert f"entries {40 * 256} to {40 * 256 + gap - 1} are missing" in found.problems
    assert found.entries_by_kind == {"test.noted": SIZE - gap}
    assert found.root == ""


def test_a_clock_that_went_back_between_spans_is_noticed(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as log:
        log.extend([encode(noted("a", minute=9))] * SPAN)
        log.extend([encode(noted("b", minute=1))] * 2)
    for workers in (1, 2):
        found = verify_log(tmp_path, [SIGNER.vkey], None, workers=workers)
        (notice,) = found.notices
        assert notice.startswith(f"entry {SPAN}: its clock went back, from 2026-01-01T00:09")


def test_workers_that_cannot_be_forked_learn_the_kinds(whole: Path) -> None:
    """A process with a second thread must not fork; what it starts knows no kind by itself."""
    ending = threading.Event()
    second = threading.Thread(target=ending.wait)
    second.start()
    try:
        assert verify(whole, 2) == verify(whole, 1)
    finally:
        ending.set()
        second.join()


def test_a_worker_that_dies_ends_the_verification_with_an_error(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "examine", die)
    with pytest.raises(SiteUnreachable, match="died"):
        verify(whole, 2)


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
