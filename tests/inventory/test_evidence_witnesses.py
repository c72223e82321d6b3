"""The evidence of a charter with witnesses: who is asked, what is refused, what is verified."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domicile.charter import LoadedCharter, parse_charter
from domicile.errors import CharterError, UsageError
from domicile.inventory import Evidence, ledger_directory, quorum
from domicile.ledger import FileSigner, published_keys, verify_log
from domicile.ledger.cosigning import NotCosigned
from domicile.ledger.keys import COSIGN_ED25519, Verifier
from domicile.ledger.note import Signature, cosigners
from domicile.ledger.witness import Witness, watched_logs
from tests.charter.conftest import CHARTER
from tests.ledger.asking_world import CLOSED, NAMES, World
from tests.ledger.witness_world import running
from tests.ledger.world import Noted

ORIGIN = "ledger.reel.example/us"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "witnesses")
    yield world
    world.stop()


def charter(tmp_path: Path, world: World, url: str = CLOSED, ledger: str = "") -> LoadedCharter:
    """A charter with one witness at ``url``."""
    keys = ", ".join(f'"{key.vkey}"' for key in world.known(NAMES[0]).keys)
    witnessed = f'[ledger]\norigin = "{ORIGIN}"\n{ledger}\n'
    witnessed += f'[ledger.witnesses.one]\nurl = "{url}"\nkeys = [{keys}]\n'
    path = tmp_path / "domicile.toml"
    path.write_text(CHARTER + witnessed)
    return parse_charter(path.read_text(), str(path), today=datetime.now(UTC).date())


def watch(world: World, records: Path, loaded: LoadedCharter) -> str:
    """Start a witness that knows the log's keys, and its URL."""
    with pytest.raises(NotCosigned), Evidence(records, loaded) as evidence:
        evidence.record(Noted("the keys are made"))
    logs = watched_logs(published_keys(ledger_directory(records)), None)
    witness = Witness.open(world.directory / "w1", NAMES[0], logs)
    world.stack.callback(witness.close)
    return world.stack.enter_context(running(witness))


def test_what_waited_for_a_witness_is_published_when_it_answers(
    world: World, tmp_path: Path
) -> None:
    records = tmp_path / ".domicile"
    url = watch(world, records, charter(tmp_path, world))
    loaded = charter(tmp_path, world, url)
    with Evidence(records, loaded) as evidence:
        assert evidence.head()[0] == 1
        evidence.record(Noted("more"))
        assert evidence.head()[0] == 3  # behind the text of the charter with the witness's address
        assert evidence.notices == ()
    directory = ledger_directory(records)
    asked = quorum(loaded.charter)
    assert cosigners((directory / "checkpoint").read_bytes(), asked.witnesses[0].keys) == {NAMES[0]}
    assert (asked.needed, asked.away) == (1, "refuse")
    found = verify_log(
        directory,
        published_keys(directory),
        records,
        witnesses=asked.witnesses[0].keys,
        cosignatures_needed=1,
    )
    assert found.sound
    assert found.origin == ORIGIN


def test_published_with_fewer_is_said_by_the_command_and_found_by_verification(
    world: World, tmp_path: Path
) -> None:
    records = tmp_path / ".domicile"
    loaded = charter(tmp_path, world, ledger='away = "publish"')
    with Evidence(records, loaded) as evidence:
        evidence.record(Noted("alone"))
        assert "only 0 of the 1 witnesses" in " ".join(evidence.notices)
    verify = [sys.executable, "-m", "domicile", "ledger", "verify", "--charter"]
    command = [*verify, str(tmp_path / "domicile.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = " ".join(done.stdout.split())
    assert "broken: 0 witnesses co-signed the checkpoint (none), and 1 must" in said
    assert done.returncode == 4


def test_verification_asks_for_the_witnesses_that_it_is_given(world: World, tmp_path: Path) -> None:
    records = tmp_path / ".domicile"
    with Evidence(records, charter(tmp_path, world, ledger='away = "publish"')) as evidence:
        evidence.record(Noted("alone"))
    directory, keys = ledger_directory(records), world.known(NAMES[0]).keys
    trusted = published_keys(directory)
    assert verify_log(directory, trusted, records).sound
    assert verify_log(directory, trusted, records, witnesses=keys).sound
    asked = verify_log(directory, trusted, records, witnesses=keys, cosignatures_needed=1)
    assert asked.problems == ("0 witnesses co-signed the checkpoint (none), and 1 must",)
    forged = (directory / "checkpoint").read_bytes() + line(keys[0])
    (directory / "checkpoint").write_bytes(forged)
    asked = verify_log(directory, trusted, records, witnesses=keys, cosignatures_needed=0)
    assert asked.problems == (
        f"the checkpoint's cosignatures: the signature of {NAMES[0]} is wrong",
    )


def line(key: Verifier) -> bytes:
    return Signature(key.name, key.key_id, bytes(72)).line.encode()


def test_a_log_is_no_witness_of_its_own_under_another_name(world: World, tmp_path: Path) -> None:
    records = tmp_path / ".domicile"
    loaded = charter(tmp_path, world, ledger='away = "publish"')
    with Evidence(records, loaded):
        pass
    seed = (records / "keys" / "ledger.key").read_text().strip().split("+", 4)[4]
    own = FileSigner("friend.example/w", base64.b64decode(seed)[1:], COSIGN_ED25519)
    theirs = world.known(NAMES[0]).keys
    text = loaded.text.replace(f'"{theirs[0].vkey}", "{theirs[1].vkey}"', f'"{own.vkey}"')
    same = parse_charter(text, str(loaded.path), today=datetime.now(UTC).date())
    with pytest.raises(CharterError, match=r"ledger\.witnesses\.one: .* its own witness"):
        Evidence(records, same)


def test_a_log_once_begun_keeps_its_name(world: World, tmp_path: Path) -> None:
    records = tmp_path / ".domicile"
    loaded = charter(tmp_path, world, ledger='away = "publish"')
    with Evidence(records, loaded):
        pass
    text = loaded.text.replace(ORIGIN, "ledger.other.example/us")
    renamed = parse_charter(text, str(loaded.path), today=datetime.now(UTC).date())
    with pytest.raises(UsageError, match=r"is not the key of ledger\.other\.example/us"):
        Evidence(records, renamed)
