"""Our logs under Go's own ``note`` and ``tlog``, and Go's notes under ours."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from domicile.ledger import FileSigner
from domicile.ledger.base64 import encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import COSIGN_ED25519, Verifier
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.note import open_checkpoint, parse_note, verify_note
from domicile.ledger.proofs import Prover
from domicile.ledger.store import Store
from tests.ledger.asking_world import NAMES, World, open_log, published
from tests.ledger.witness_world import LOGS
from tests.ledger.world import ORIGIN, SIGNER, texts
from tests.services import unavailable

SOURCE = Path(__file__).parent / "go" / "crosscheck.go"
PACKAGES = Path("/usr/share/gocode")
OLD = (1, 2, 255, 256, 257, 500, 700, 1000)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from Debian's packages, without a network."""
    go, directory = shutil.which("go"), tmp_path_factory.mktemp("go")
    if go is None or not (PACKAGES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        unavailable("Go with golang.org/x/mod", "make services")
    settings = {"GO111MODULE": "off", "GOPATH": str(PACKAGES), "GOCACHE": str(directory / "cache")}
    program = directory / "crosscheck"
    subprocess.run(
        [go, "build", "-o", program, SOURCE], env=os.environ | settings, check=True, timeout=300
    )
    return program


def run(program: Path, *words: str | Path, text: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [program, *words], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A log over several bundles and two levels of tiles, co-signed by two witnesses; with the
    questions that Go is asked of it."""
    directory = tmp_path_factory.mktemp("log")
    world = World(directory / "witnesses")
    world.start(*NAMES[:2])
    roots = {}
    with open_log(directory / "log", world.asking(2, *NAMES[:2])) as log:
        for size in (*OLD, 1005):
            log.append(texts(f"{size}-", size - log.size))
            roots[size] = log.root
    witnesses = [key for name in NAMES[:2] for key in world.known(name).keys]
    (directory / "questions.json").write_text(json.dumps(questions(directory, roots, witnesses)))
    yield directory
    world.stop()


def questions(
    directory: Path, roots: dict[int, bytes], witnesses: list[Verifier]
) -> dict[str, object]:
    store = Store(directory / "log")
    prover = Prover(store, 1005)
    entries = dict(store.entries(1005))
    some = random.Random(1).sample(range(1005), 50)  # noqa: S311 - seeded
    chosen = sorted({0, 1, 255, 256, 767, 768, 1003, 1004, *some})
    return {
        "Log": SIGNER.vkey,
        "Witnesses": [key.vkey for key in witnesses if key.algorithm == COSIGN_ED25519],
        "Inclusion": [
            {
                "Index": index,
                "Leaf": encode_base64(leaf_hash(entries[index])),
                "Proof": [encode_base64(step) for step in prover.inclusion(index)],
            }
            for index in chosen
        ],
        "Consistency": [
            {
                "Size": size,
                "Root": encode_base64(root),
                "Proof": [encode_base64(step) for step in prover.consistency(size)],
            }
            for size, root in roots.items()
        ],
    }


def test_go_accepts_checkpoint_tiles_entries_proofs_and_cosignatures(
    program: Path, log: Path
) -> None:
    code, said = run(program, "check", log / "log", log / "questions.json")
    assert code == 0, said
    assert "3 signatures, 3 of other kinds" in said  # the log's ML-DSA-44 key and the witnesses'
    assert "1005 entries, " in said


def copy(log: Path, target: Path) -> Path:
    shutil.copytree(log / "log", target)
    return target


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("checkpoint", 30),
        ("tile/0/000", 40),
        ("tile/0/003.p/237", 40),
        ("tile/1/000.p/3", 40),
        ("tile/entries/000", 40),
        ("tile/entries/003.p/237", 40),
    ],
)
def test_go_finds_what_was_changed(
    program: Path, log: Path, tmp_path: Path, name: str, offset: int
) -> None:
    changed = copy(log, tmp_path / "log")
    data = bytearray((changed / name).read_bytes())
    data[offset] ^= 1
    (changed / name).write_bytes(data)
    code, said = run(program, "check", changed, log / "questions.json")
    assert code == 1, said


def test_go_refuses_a_cosignature_that_was_changed_or_left_out(
    program: Path, log: Path, tmp_path: Path
) -> None:
    changed = copy(log, tmp_path / "log")
    lines = (changed / "checkpoint").read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if NAMES[1] in line and len(line) < 200)
    without = [*lines[:at], *lines[at + 1 :]]
    middle = len(lines[at]) // 2
    other = "A" if lines[at][middle] != "A" else "B"
    forged = [*lines[:at], lines[at][:middle] + other + lines[at][middle + 1 :], *lines[at + 1 :]]
    for kept, why in ((without, "2 of 3 keys signed"), (forged, "invalid signature")):
        (changed / "checkpoint").write_text("".join(kept))
        code, said = run(program, "check", changed, log / "questions.json")
        assert (code, why in said) == (1, True), said


def test_go_refuses_proofs_that_were_changed(program: Path, log: Path, tmp_path: Path) -> None:
    asked = json.loads((log / "questions.json").read_text())
    for part in ("Inclusion", "Consistency"):
        changed = json.loads(json.dumps(asked))
        changed[part][0]["Proof"][0] = encode_base64(bytes(32))
        path = tmp_path / f"{part}.json"
        path.write_text(json.dumps(changed))
        code, said = run(program, "check", log / "log", path)
        assert code == 1
        assert part.lower() in said


def test_a_note_that_go_signed_is_read(program: Path, tmp_path: Path) -> None:
    text = Checkpoint("go.example/log", 7, bytes(range(32))).text
    code, said = run(program, "sign", "go.example/log", text=text)
    assert code == 0, said
    private, public, note = said.split("\n", 2)
    key = Verifier.parse(public)
    assert verify_note(parse_note(note.encode()), [key]) == (key,)
    assert open_checkpoint(note.encode(), [key]).size == 7
    path = tmp_path / "key"
    path.write_text(private + "\n")
    path.chmod(0o600)
    assert FileSigner.create_or_load(path, "go.example/log").vkey == public


def test_what_go_was_asked_is_what_we_published(log: Path) -> None:
    assert open_checkpoint(published(log / "log"), LOGS[ORIGIN]).size == 1005
