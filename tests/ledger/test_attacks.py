"""What whoever holds the directory may do to it, on a log with three levels of tiles."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from domicile.errors import UsageError
from domicile.ledger import FileSigner, Verification, encode, verify_log
from domicile.ledger.base64 import encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44, key_id
from domicile.ledger.log import Log
from domicile.ledger.note import Signature, parse_note
from domicile.ledger.signing import sign_note
from domicile.ledger.tiles import Tile, decode_bundle, encode_bundle, tiles_of
from tests.ledger.world import ORIGIN, SIGNER, noted

SIZE = 256 * 256 + 3 * 256 + 5
TILES = [*tiles_of(SIZE)]
LASTING = FileSigner(ORIGIN, bytes(32), COSIGN_MLDSA44)
KEYS = [SIGNER.vkey, LASTING.vkey]
LEVELS = [Tile(0, 0), Tile(0, 258), Tile(0, 259, 5), Tile(1, 0), Tile(1, 1, 3), Tile(2, 0, 1)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("attacked") / "ledger"
    with Log.open(directory, [SIGNER, LASTING], ORIGIN) as log:
        log.extend([encode(noted(f"{number % 1000}")) for number in range(SIZE)])
    return directory


@pytest.fixture
def log(whole: Path, tmp_path: Path) -> Path:
    """Hard links: a test replaces files, it never writes into one."""
    return Path(shutil.copytree(whole, tmp_path / "ledger", copy_function=os.link))


def verify(log: Path, keys: list[str] | None = None) -> Verification:
    return verify_log(log, keys or KEYS, None)


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def change_bundle(log: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = log / Tile(None, 100).path
    replace(path, encode_bundle(change(decode_bundle(path.read_bytes(), 256))))


def publish(log: Path, note: bytes) -> None:
    replace(log / "checkpoint", note)
    (log / ".log" / "signed").unlink()


def test_the_log_that_is_attacked_is_sound(whole: Path) -> None:
    assert set(LEVELS) <= set(TILES)
    assert verify(whole).problems == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: [*entries[:9], encode(noted("forged")), *entries[10:]],
        lambda entries: [*entries[:9], *entries[10:]],
        lambda entries: [*entries[:9], encode(noted("added")), *entries[9:]],
        lambda entries: [*entries[:9], entries[10], entries[9], *entries[11:]],
        lambda entries: [*entries[:9], entries[9] + b" ", *entries[10:]],
        lambda entries: entries[::-1],
        lambda _: [],
    ],
    ids=["changed", "removed", "added", "swapped", "padded", "reversed", "emptied"],
)
def test_no_entry_can_be_touched(log: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    change_bundle(log, change)
    first = verify(log).problems[0]
    assert first.startswith(f"{Tile(None, 100).path}: ") or int(first.split()[1]) // 256 == 100


@pytest.mark.parametrize("tile", LEVELS, ids=lambda tile: tile.path)
def test_a_tile_of_the_right_length_with_one_wrong_hash_is_named(log: Path, tile: Tile) -> None:
    path = log / tile.path
    data = path.read_bytes()
    replace(path, data[:-1] + bytes([data[-1] ^ 1]))
    (problem,) = verify(log).problems
    last = tile.index * 256 + tile.width - 1
    expected = f"entry {last} does not" if tile.level == 0 else f"{tile.path} does not follow"
    assert problem.startswith(expected)


@pytest.mark.parametrize("cut", [1, 32, 10**9])
@pytest.mark.parametrize("tile", LEVELS, ids=lambda tile: tile.path)
def test_a_truncated_tile_is_named(log: Path, tile: Tile, cut: int) -> None:
    path = log / tile.path
    replace(path, path.read_bytes()[:-cut])
    (problem,) = verify(log).problems
    assert problem.startswith(f"{tile.path}: the tile has ")


@pytest.mark.parametrize("tile", LEVELS, ids=lambda tile: tile.path)
def test_a_missing_tile_is_named_partial_ones_too(log: Path, tile: Tile) -> None:
    (log / tile.path).unlink()
    assert verify(log).problems == (f"{tile.path}: {tile.path} is missing",)


@pytest.mark.parametrize(
    "tile", [Tile(None, 7), Tile(0, 0), Tile(0, 259, 5), Tile(1, 1, 3)], ids=lambda tile: tile.path
)
@pytest.mark.parametrize("kind", ["directory", "pipe", "device", "loop", "dangling", "huge"])
def test_what_is_no_file_of_the_right_size_is_named_and_never_waited_for(
    log: Path, tile: Tile, kind: str
) -> None:
    path = log / tile.path
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to(path.with_name("nowhere"))
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    (problem,) = verify(log).problems
    assert problem.startswith(f"{tile.path}: ")


def test_directories_that_are_files_are_missing_tiles(log: Path) -> None:
    shutil.rmtree(log / "tile" / "1")
    (log / "tile" / "1").write_text("")
    assert [p.split(":")[0] for p in verify(log).problems] == ["tile/1/000", "tile/1/001.p/3"]


@pytest.mark.parametrize("size", [SIZE + 1, 2**40, 2**62, 10**19 - 1])
def test_a_signed_size_beyond_what_is_there_ends_with_a_finding(log: Path, size: int) -> None:
    publish(log, sign_note(Checkpoint(ORIGIN, size, bytes(32)).text, [SIGNER], 1).encode())
    found = verify(log, [SIGNER.vkey])
    assert found.root == ""
    assert f"to {size - 1} are missing" in found.problems[-2]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_536, SIZE - 5])
def test_a_smaller_tree_signed_with_the_root_of_the_whole_is_found(log: Path, size: int) -> None:
    root = bytes.fromhex(verify(log).root)
    publish(log, sign_note(Checkpoint(ORIGIN, size, root).text, [SIGNER], 1).encode())
    assert (
        f"the entries do not lead to the root signed at size {size}"
        in verify(log, [SIGNER.vkey]).problems
    )


def test_a_checkpoint_signed_with_one_of_two_trusted_kinds_of_key_is_a_problem(log: Path) -> None:
    note = parse_note((log / "checkpoint").read_bytes())
    publish(log, type(note)(note.text, note.signatures[:1]).encode())
    assert verify(log, [SIGNER.vkey]).sound
    (problem,) = verify(log).problems
    assert "did not sign its checkpoint itself" in problem


def test_an_unknown_kind_of_signature_under_the_logs_name_counts_for_nothing(log: Path) -> None:
    note = parse_note((log / "checkpoint").read_bytes())
    strange = Signature(ORIGIN, b"\xff\x00\x00\x01", bytes(64))
    publish(log, type(note)(note.text, (strange, *note.signatures)).encode())
    assert verify(log).sound
    publish_only = type(note)(note.text, (strange,)).encode()
    replace(log / "checkpoint", publish_only)
    assert "no key that you trust" in verify(log).problems[0]


@pytest.mark.parametrize("algorithm", [0x00, 0x02, 0x03, 0x05, 0x07, 0xFF])
def test_a_key_of_an_unknown_algorithm_is_not_trusted_by_mistake(algorithm: int) -> None:
    public = bytes(32)
    encoded = encode_base64(bytes([algorithm]) + public)
    vkey = f"{ORIGIN}+{key_id(ORIGIN, algorithm, public).hex()}+{encoded}"
    with pytest.raises(UsageError, match="neither an Ed25519 nor an ML-DSA-44"):
        verify_log(Path("unread"), [vkey], None)


def test_a_stray_cosignature_neither_helps_nor_harms(log: Path) -> None:
    witness = FileSigner("witness.example/w1", bytes(32), COSIGN_ED25519)
    note = parse_note((log / "checkpoint").read_bytes())
    line = sign_note(note.text, [witness], 5).signatures
    forged = Signature("witness.example/w2", b"abcd", bytes(72))
    publish(log, type(note)(note.text, (*note.signatures, *line, forged)).encode())
    assert verify(log).sound
    publish_alone = type(note)(note.text, line).encode()
    replace(log / "checkpoint", publish_alone)
    assert not verify(log).sound
    assert not verify(log, [witness.vkey]).sound, "a witness cannot stand in for the log"


def test_a_known_key_with_a_bad_signature_refuses_the_whole_note(log: Path) -> None:
    note = parse_note((log / "checkpoint").read_bytes())
    good, lasting = note.signatures
    bad = Signature(good.name, good.key_id, good.signature[:-1] + b"\x00")
    publish(log, type(note)(note.text, (bad, lasting)).encode())
    assert verify(log).problems == (f"the checkpoint: the signature of {ORIGIN} is wrong",)


@pytest.mark.parametrize("name", ["checkpoint", ".log/signed"])
@pytest.mark.parametrize("data", [b"", b"\x00" * 2_000_000, b"a\n\n\xe2\x80\x94 a b\n", b"\xff"])
def test_a_note_that_is_none_is_a_finding(log: Path, name: str, data: bytes) -> None:
    replace(log / name, data)
    found = verify(log)
    assert found.size == SIZE
    assert found.sound == (name != "checkpoint"), "what is kept privately is not what is shown"
