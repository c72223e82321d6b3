"""The story where home lies sealed: what comes home is no use without the custodian's keys."""

from __future__ import annotations

import base64
import json
import random
import shutil
import signal
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from domicile.custody.sealing import SEAL
from domicile.demo.truth_objects import read_objects
from tests.story.stage import SITES, Stage, confirmed, group_ended
from tests.story.test_kills import LONG

_CHANGES = {"move": 75, "verify": 75, "erase": 150}
"""A kill comes at one of these changes to files; each command makes at least as many."""


@pytest.fixture
def sealing(stage: Stage) -> Stage:
    """The world as it was made, with a member who changes drafts; and the boundary has keys."""
    for name in ("one", "two", "one"):
        stage.put("virginia", f"drafts/{_writer(stage)}/{name}", f"draft {name}".encode() * 99)
    stage.remember()
    stage.seal()
    return stage


@pytest.fixture
def sealed(sealing: Stage) -> Stage:
    """After move and verification."""
    if not sealing.has("sealed"):
        for words in (("scan",), ("plan",), ("move", "--workers", "2"), ("verify",)):
            sealing.run(*words).expect(0, 1)
        sealing.save("sealed")
    sealing.restore("sealed")
    sealing.remember()
    return sealing


def _writer(stage: Stage) -> int:
    return min(stage.before.members)


def _lying(stage: Stage) -> Iterator[Path]:
    yield from (stage.directory / "oracle" / "media").rglob("*.data")


def _opened_files(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_the_story_ends_as_the_truth_says(sealing: Stage) -> None:
    sealing.tell(workers=2)
    assert sealing.problems() == []
    sealing.run("ledger", "verify").expect(0)


def test_every_object_at_home_is_sealed_and_shows_nothing(sealed: Stage) -> None:
    before = sealed.before.objects["virginia"].versions
    home = read_objects(sealed.bucket("oracle")).versions
    assert len(home) > 5
    for versions in home.values():
        for version in versions:
            assert version.is_marker or SEAL in dict(version.attributes.metadata)
    digests = {v.sha256 for versions in before.values() for v in versions}
    assert not digests & {v.sha256 for versions in home.values() for v in versions}


def test_whoever_has_the_keys_gets_everything_back_as_plain_files(
    sealed: Stage, tmp_path: Path
) -> None:
    done = sealed.run("open", str(tmp_path / "all"), "--json").expect(0).json
    current = {
        key: version.sha256
        for key, versions in sealed.before.objects["virginia"].versions.items()
        for version in versions
        if version.is_latest and not version.is_marker
    }
    files = _opened_files(tmp_path / "all")
    assert done["items"] == len(files) > 5
    assert not done["refused"]
    plain = {name: data for name, data in files.items() if name in current}
    assert len(plain) > 5
    assert all(sha256(data).hexdigest() == current[name] for name, data in plain.items())
    assert (tmp_path / "all").stat().st_mode & 0o777 == 0o700
    drafts = sealed.run("open", str(tmp_path / "drafts"), "--dataset", "drafts", "--json").expect(0)
    assert drafts.json["items"] == sum(name.startswith("drafts/") for name in files)


def test_older_versions_are_opened_where_they_are_asked_for(sealed: Stage, tmp_path: Path) -> None:
    sealed.run("open", str(tmp_path / "all"), "--versions").expect(0)
    versions = [v for page in sealed.bucket("oracle").versions() for v in page]
    names = _opened_files(tmp_path / "all")
    assert len(names) == sum(not version.is_marker for version in versions)
    assert any("@" in name for name in names)


def test_without_the_root_nothing_opens_and_nothing_moves(sealing: Stage, tmp_path: Path) -> None:
    sealing.run("scan").expect(1)
    sealing.run("plan").expect(0)
    (sealing.directory / "custodian" / "root.key").rename(sealing.directory / "root.away")
    refused = sealing.run("move").expect(3)
    assert "root.key" in refused.err
    assert sealing.source_changes() == []
    assert list(sealing.bucket("oracle").versions()) == []
    assert sealing.execute(
        "oracle", "SELECT count(*) FROM pg_tables WHERE schemaname='public'"
    ) == [(0,)]
    sealing.run("open", str(tmp_path / "opened")).expect(3)


def test_another_passphrase_opens_nothing_and_is_told_to_nobody(
    sealed: Stage, tmp_path: Path
) -> None:
    passphrase = sealed.directory / "custodian" / "passphrase"
    passphrase.write_text("not the passphrase that it was")
    refused = sealed.run("open", str(tmp_path / "opened")).expect(3)
    assert "passphrase" in refused.err
    assert "not the passphrase that it was" not in refused.err + refused.out


def test_one_object_passed_off_as_another_of_the_same_person_is_refused(
    sealed: Stage, tmp_path: Path
) -> None:
    """Its bytes and its seal in the other's place: all of that is authentic, and not there."""
    drafts = f"drafts/{_writer(sealed)}"
    media = sealed.directory / "oracle" / "media" / drafts
    two, one = (next((media / f"{name}@").glob("*.data")) for name in ("two", "one"))
    for suffix in (".data", ".json"):
        shutil.copy(one.with_suffix(suffix), two.with_suffix(suffix))
    done = sealed.run("open", str(tmp_path / "opened"), "--json").expect(4).json
    assert [refused["key"] for refused in done["refused"]] == [f"{drafts}/two"]
    assert "proven under another key" in done["refused"][0]["error"]
    assert f"{drafts}/two" not in _opened_files(tmp_path / "opened")


def test_a_proof_that_is_not_the_ledgers_opens_nothing(sealed: Stage, tmp_path: Path) -> None:
    """Who can write the records could bind an object to another's name."""
    proof = min(sealed.records.glob("runs/*/verified/objects-*.parquet"))
    proof.write_bytes(proof.read_bytes() + b"x")
    refused = sealed.run("open", str(tmp_path / "opened")).expect(4)
    assert "is not the one in the ledger" in " ".join(refused.err.split())
    assert not (tmp_path / "opened").exists()


def _change_a_byte(stage: Stage) -> None:
    changed = min(_lying(stage))
    data = bytearray(changed.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)


def test_a_changed_byte_at_home_is_never_opened(sealed: Stage, tmp_path: Path) -> None:
    _change_a_byte(sealed)
    done = sealed.run("open", str(tmp_path / "opened"), "--json").expect(4).json
    assert len(done["refused"]) == 1
    assert not any(path.name.startswith(".") for path in (tmp_path / "opened").rglob("*"))


def test_a_changed_byte_at_home_is_never_verified_nor_its_source_erased(sealing: Stage) -> None:
    for words in (("scan",), ("plan",), ("move", "--workers", "1")):
        sealing.run(*words).expect(0, 1)
    _change_a_byte(sealing)
    proven = sealing.run("verify", "--workers", "1", "--json").expect(1).json
    assert {part["reason"] for part in proven["unproven"]} == {"home's version cannot be opened"}
    sealing.run("erase", "--workers", "1", *confirmed(*SITES)).expect(1)
    key = min(_lying(sealing)).parent.relative_to(sealing.directory / "oracle" / "media")
    name = str(key).removesuffix("@")
    assert sealing.get("virginia", name)  # what is not proven at home is still there


def test_the_ledger_knows_every_opening_of_the_keys_and_why(sealed: Stage, tmp_path: Path) -> None:
    sealed.run("open", str(tmp_path / "opened")).expect(0)
    words = ("ledger", "search", "--json", "--kind")
    found = sealed.run(*words, "custody.keys-opened").expect(0).json["entries"]
    assert [one["entry"]["body"]["reason"] for one in found] == ["move", "verify", "open"]
    for kind in ("move.home-opening", "move.home-opened"):
        assert len(sealed.run(*words, kind).expect(0).json["entries"]) == 1


def test_an_opening_that_was_killed_in_the_middle_is_in_the_ledger(sealed: Stage) -> None:
    target = sealed.directory / "half-opened"
    for nth in range(20, 120, 4):
        shutil.rmtree(target, ignore_errors=True)
        process = sealed.start_struck(signal.SIGKILL, nth, "open", str(target))
        process.communicate(timeout=120)
        if target.exists() and any(path.is_file() for path in target.rglob("*")):
            break
    assert process.returncode == -signal.SIGKILL
    assert any(path.is_file() for path in target.rglob("*"))
    shutil.rmtree(target)
    words = ("ledger", "search", "--json", "--kind")
    assert sealed.run(*words, "move.home-opening").expect(0).json["entries"]
    assert not sealed.run(*words, "move.home-opened").expect(0).json["entries"]


@pytest.mark.parametrize("seed", range(8) if LONG else range(1))
def test_a_sealed_story_that_is_killed_anywhere_goes_on(sealing: Stage, seed: int) -> None:
    stage, rng = sealing, random.Random(f"sealed/{seed}")  # noqa: S311 - seeded
    before = _digests(stage, "virginia") | _digests(stage, "singapore")
    stage.run("scan", "--workers", "1").expect(1)
    stage.run("plan").expect(0)
    for command, changes in _CHANGES.items():
        words = [command, "--workers", str(2 - seed % 2)]
        words += confirmed(*SITES) if command == "erase" else []
        kills = 0
        for _ in range(2):
            nth, delay_s = rng.randint(1, changes), rng.choice((0.0, 0.003, 0.02))
            process = stage.start_struck(signal.SIGKILL, nth, *words, delay_s=delay_s)
            out, err = process.communicate(timeout=120)
            assert group_ended(process.pid)
            assert process.returncode in (0, -signal.SIGKILL), f"{out}\n{err}"
            kills += process.returncode != 0
            assert stage.lost() == []
            assert not before & _digests(stage, "oracle")
        assert kills
        stage.run(*words).expect(0)
    assert stage.problems() == []
    stage.run("scan", "--workers", "1").expect(0)
    stage.run("ledger", "verify").expect(0)


def _digests(stage: Stage, place: str) -> set[bytes]:
    """Of all bytes that lie in a place's files, were they written to their end or not."""
    files = (stage.directory / place / "media").rglob("*.data")
    return {sha256(data).digest() for data in map(Path.read_bytes, files) if data}


def test_what_lies_unsealed_at_home_is_not_taken_for_sealed(moved: Stage) -> None:
    """Keys that a boundary got later don't cover what was brought before."""
    moved.seal()
    moved.run("scan").expect(1)
    moved.run("plan").expect(0)
    done = moved.run("move", "--workers", "1", "--json")
    proven = moved.run("verify", "--workers", "1", "--json").expect(1).json
    assert proven["failed_items"] > 0, done
    assert any("not sealed" in part["reason"] for part in proven["unproven"])
    assert moved.source_changes() == []


def test_one_member_is_shredded_and_everybody_elses_objects_open_as_before(
    sealed: Stage, tmp_path: Path
) -> None:
    writer = str(_writer(sealed))
    names = [str(tmp_path / name) for name in ("before", "after")]
    sealed.run("open", names[0]).expect(0)
    persons = tmp_path / "persons"
    persons.write_text(f"{writer}\n")
    asked = sealed.run("shred", "request", "--persons-from", str(persons), "--json").expect(0).json
    assert asked["persons"] == 1
    sealed.run("shred", "run").expect(2)  # unconfirmed
    done = sealed.run("shred", "run", "--confirm", "us", "--json").expect(0).json
    assert done["done"]
    after = sealed.run("open", names[1], "--json").expect(4).json
    assert {refused["key"].split("/")[1] for refused in after["refused"]} == {writer}
    assert all("a key that is not here" in refused["error"] for refused in after["refused"])
    before, left = (_opened_files(Path(name)) for name in names)
    mine = {name for name in before if f"/{writer}/" in name}
    assert mine
    assert left == {name: data for name, data in before.items() if name not in mine}
    (certificate,) = sealed.records.glob("shreds/*/certificate.dsse.json")
    document = json.loads(base64.b64decode(json.loads(certificate.read_text())["payload"]))
    assert (
        sum(each["objects"] for each in document["unreadable"]) == len(mine) + 1
    )  # older ones too
    sealed.run("ledger", "verify").expect(0)
