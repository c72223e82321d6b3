"""A charter that custodians must sign: until they have, sites are only looked at."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from domicile.cli.main import cli
from domicile.ledger import FileSigner
from tests.story.stage import Stage


def act(*words: str) -> None:
    """What a custodian does elsewhere, without the charter's records."""
    assert cli.main(["custody", *words], standalone_mode=False) == 0


def name_custodians(stage: Stage, *names: str) -> None:
    vkeys = []
    for name in names:
        path = stage.directory / f"{name}.key"
        path.unlink(missing_ok=True)  # an earlier test's
        act("keygen", str(path), "--name", f"custodian.example/{name}")
        vkeys.append(f'"{FileSigner.load(path).vkey}"')
    text = stage.charter.read_text().partition("\n[boundaries.us.custodians]")[0]
    stage.charter.write_text(
        f"{text}\n[boundaries.us.custodians]\nkeys = [{', '.join(vkeys)}]\n"
        "charter = 2\noperations = 2\n"
    )


def sign(stage: Stage, proposal: Path, name: str, *, charter: bool = True) -> str:
    out = proposal.with_name(f"{proposal.name}.{name}")
    key = str(stage.directory / f"{name}.key")
    text = ("--text", str(stage.charter)) if charter else ()
    act("sign", str(proposal), "--key", key, *text, "--out", str(out))
    return str(out)


def test_nothing_is_planned_moved_verified_or_erased_before_two_of_three_have_signed(
    stage: Stage,
) -> None:
    name_custodians(stage, "one", "two", "three")
    done = stage.run("scan", "--workers", "1").expect(1)
    assert "the charter is not in force: 2 custodians must sign it" in " ".join(done.err.split())
    refused = stage.run("plan").expect(2)
    assert "0 of the 2 custodians who must sign it did (nobody)" in " ".join(refused.err.split())
    assert "next: domicile custody propose charter" in " ".join(refused.err.split())
    said = stage.run("status").expect(1)
    assert said.out.count("the charter is not in force") == 2  # why it is not home, and by itself
    stage.run("ledger", "verify").expect(0)

    proposal = stage.directory / "proposal"
    for earlier in stage.directory.glob("proposal*"):
        earlier.unlink()
    stage.run("custody", "propose", "charter", "--out", str(proposal)).expect(0)
    few = stage.run("custody", "enact", sign(stage, proposal, "one")).expect(2)
    assert "1 of the 2" in " ".join(few.err.split())
    stage.run("custody", "enact", sign(stage, proposal, "three")).expect(0)
    stage.run("plan").expect(0)
    stage.run("move", "--workers", "1").expect(0)
    stage.run("verify", "--workers", "1").expect(0)
    said = stage.run("status").expect(1)
    assert "the charter in force was signed by its custodians" in said.out
    stage.run("ledger", "verify").expect(0)

    name_custodians(stage, "usurper", "friend")
    stage.run("scan", "--workers", "1").expect(1)
    stage.run("custody", "propose", "charter", "--out", f"{proposal}-2").expect(0)
    notes = [sign(stage, Path(f"{proposal}-2"), name) for name in ("usurper", "friend")]
    refused = stage.run("custody", "enact", *notes).expect(2)
    assert "0 of the 2" in " ".join(refused.err.split())
    assert "custodian.example/one" in refused.err
    stage.run("plan").expect(2)
    stage.run("erase", "--site", "virginia-db", "--confirm", "virginia-db").expect(2)
    stage.run("ledger", "verify").expect(0)


def approve(stage: Stage, purpose: str, name: str, *about: str) -> list[str]:
    """Propose something, and have two of the custodians sign it; the words for a command."""
    proposal = stage.directory / name
    for earlier in stage.directory.glob(f"{name}*"):
        earlier.unlink()
    stage.run("custody", "propose", purpose, "--out", str(proposal), *about).expect(0)
    is_charter = purpose == "charter"
    notes = [sign(stage, proposal, name, charter=is_charter) for name in ("one", "two")]
    return [word for note in notes for word in ("--approval", note)]


def _refused(stage: Stage, purpose: str, *approved: str) -> str:
    refused = stage.run("shred", "run", "--confirm", "us", *approved).expect(2)
    said = " ".join(refused.err.split())
    assert f"the custodians did not approve {purpose} of file:root.key" in said
    return said


def _drafter(stage: Stage) -> str:
    """A member who has something sealed at home."""
    keys = sorted(key for key in stage.keys("oracle") if key.startswith(("drafts/", "private/")))
    return keys[0].split("/")[1]


def test_keys_are_destroyed_with_the_custodians_approval_alone_and_once(stage: Stage) -> None:
    stage.seal()
    name_custodians(stage, "one", "two", "three")
    stage.run("scan", "--workers", "1").expect(1)
    enact = approve(stage, "charter", "charter")[1::2]
    stage.run("custody", "enact", *enact).expect(0)
    for command in ("plan", "move", "verify"):
        stage.run(command).expect(0)
    persons = stage.directory / "persons"
    persons.write_text(f"{_drafter(stage)}\n")
    stage.run("shred", "request", "--persons-from", str(persons)).expect(0)
    about = ("--root", "file:root.key", "--version", "1")

    said = _refused(stage, "shred")
    assert stage.home_problems() == []  # and nothing of theirs was deleted
    (listed,) = stage.records.glob("shreds/*/pseudonyms.txt")
    digest = sha256(listed.read_bytes()).hexdigest()
    assert f"propose shred {' '.join(about)} --sha256 {digest}" in said
    another = approve(stage, "shred", "another", *about, "--sha256", "ab" * 32)
    _refused(stage, "shred", *another)
    assert stage.home_problems() == []

    shred = approve(stage, "shred", "shred", *about, "--sha256", digest)
    said = _refused(stage, "destroy", *shred)
    assert f"propose destroy {' '.join(about)}" in said
    destroy = approve(stage, "destroy", "destroy", *about)
    stage.run("shred", "run", "--confirm", "us", *destroy).expect(0)
    stage.run("shred", "request", "--persons-from", str(persons)).expect(0)
    stage.run("ledger", "verify").expect(0)
