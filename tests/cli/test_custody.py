"""``domicile custody``: who signs what, and what takes effect by it."""

from __future__ import annotations

import hashlib
import json
import stat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from domicile.charter import load_charter
from domicile.cli.main import cli
from domicile.cli.session import Options, Session
from domicile.errors import CharterError, EvidenceError, UsageError
from domicile.inventory import Evidence
from domicile.ledger import FileSigner, decode, published_keys, read_only, verify_log
from domicile.ledger.proposals import Proposal, proposal_note
from domicile.move.entries import Planned
from domicile.scan.entries import ScanStarted
from tests.cli.test_ledger import CHARTER

SCANNED = ScanStarted(run="r", boundary="us", tool="t", files=())
PLANNED = Planned(
    run="r", boundary="us", row_shards=0, object_shards=0, rows=0, blockers=0, files=()
)


class House:
    """A charter that names three custodians, of whom two must sign, and their keys."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.charter, self.records = directory / "domicile.toml", directory / ".domicile"
        self.vkeys = {name: self.keygen(name) for name in ("one", "two", "three")}
        self.write("")

    def run(self, *words: str) -> int:
        code: int = cli.main(["custody", *words], standalone_mode=False)
        return code

    def keygen(self, name: str, kind: str = "ed25519") -> str:
        path = self.directory / f"{name}.key"
        self.run("keygen", str(path), "--name", f"custodian.example/{name}", "--kind", kind)
        return FileSigner.load(path).vkey

    def write(
        self, more: str, names: tuple[str, ...] = ("one", "two", "three"), k: int = 2
    ) -> None:
        keys = ", ".join(f'"{self.vkeys[name]}"' for name in names)
        section = f"[boundaries.us.custodians]\nkeys = [{keys}]\ncharter = {k}\noperations = {k}\n"
        self.charter.write_text(
            CHARTER.format(home="file:home", access="") + (section if names else "") + more
        )

    def propose(self, name: str = "proposal") -> Path:
        path = self.directory / name
        words = ("propose", "charter", "--charter", str(self.charter), "--out", str(path))
        assert self.run(*words) == 0
        return path

    def sign(self, proposal: Path, name: str) -> Path:
        signed = proposal.with_name(f"{proposal.name}.{name}")
        key = str(self.directory / f"{name}.key")
        words = ("sign", str(proposal), "--key", key, "--out", str(signed))
        assert self.run(*words, "--text", str(self.charter)) == 0
        return signed

    def enact(self, *notes: Path) -> int:
        return self.run("enact", *map(str, notes), "--charter", str(self.charter))

    def approve(self, *names: str, name: str = "proposal") -> None:
        proposal = self.propose(name)
        assert self.enact(*(self.sign(proposal, each) for each in names)) == 0

    def record(self, *bodies: ScanStarted | Planned) -> None:
        with Evidence(self.records, load_charter(self.charter)) as evidence:
            evidence.record(*bodies)

    def problems(self) -> tuple[str, ...]:
        log = self.records / "ledger"
        return verify_log(log, published_keys(log), self.records).problems


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_custodians_key_is_a_file_that_nobody_else_reads_and_is_made_once(house: House) -> None:
    path = house.directory / "one.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="exists"):
        house.keygen("one")


def test_a_charter_that_two_of_three_signed_takes_effect(house: House) -> None:
    house.record(SCANNED)
    with pytest.raises(CharterError, match="0 of the 2 custodians who must sign it did"):
        house.record(PLANNED)
    proposal = house.propose()
    with pytest.raises(CharterError) as caught:
        house.enact(house.sign(proposal, "one"))
    said = str(caught.value)
    assert "1 of the 2 custodians who must sign it did (custodian.example/one)" in said
    assert "custodian.example/three" in caught.value.expected
    assert "domicile custody sign" in caught.value.next_step
    with pytest.raises(CharterError, match=r"1 of the 2 custodians .* \(custodian.example/one\)"):
        house.record(PLANNED)
    assert house.enact(house.sign(proposal, "three")) == 0
    house.record(PLANNED)
    assert house.problems() == ()


def test_one_custodian_counts_once_however_often_they_sign(house: House) -> None:
    proposal = house.propose()
    once = house.sign(proposal, "one")
    twice = house.sign(once, "one")
    with pytest.raises(CharterError, match="1 of the 2"):
        house.enact(once, twice, once)


def test_a_strangers_signature_says_nothing(house: House) -> None:
    house.keygen("stranger")
    proposal = house.propose()
    with pytest.raises(CharterError, match=r"1 of the 2 .* \(custodian.example/two\)"):
        house.enact(house.sign(proposal, "stranger"), house.sign(proposal, "two"))


def test_a_wrong_signature_by_a_custodians_key_refuses_and_is_not_kept(house: House) -> None:
    proposal = house.propose()
    forged = house.directory / "forged"
    other = house.propose("other")
    signature = house.sign(other, "one").read_text().rpartition("\n\n")[2]
    forged.write_text(proposal.read_text() + signature)
    with pytest.raises(EvidenceError, match=r"signature of .*/one is wrong"):
        house.enact(forged, house.sign(proposal, "two"), house.sign(proposal, "three"))
    assert not [p for p in (house.records / "approvals").glob("*.note") if "two" in p.read_text()]


def test_a_changed_charter_needs_the_signatures_of_those_before_it(house: House) -> None:
    house.approve("one", "two")
    house.vkeys["usurper"] = house.keygen("usurper")
    house.write("# changed\n", names=("usurper",), k=1)
    with pytest.raises(CharterError, match="0 of the 2"):
        house.approve("usurper", name="second")
    with pytest.raises(CharterError, match="0 of the 2"):
        house.record(PLANNED)
    house.approve("two", "three", name="third")
    house.record(PLANNED)
    house.write("# changed again\n", names=())
    house.approve("usurper", name="fourth")
    house.record(PLANNED)
    assert house.problems() == ()


def test_dropping_the_custodians_needs_them(house: House) -> None:
    house.approve("one", "two")
    house.write("", names=())
    house.record(SCANNED)
    with pytest.raises(CharterError, match="0 of the 2"):
        house.record(PLANNED)


def test_signatures_for_a_charter_do_not_bring_it_back_once_it_was_replaced(house: House) -> None:
    first = house.propose()
    notes = [house.sign(first, name) for name in ("one", "two")]
    house.enact(*notes)
    original = house.charter.read_text()
    house.write("# changed\n")
    house.approve("one", "two", name="second")
    house.charter.write_text(original)
    with pytest.raises(EvidenceError, match="approved before"):
        house.enact(*notes)
    with pytest.raises(CharterError, match="0 of the 2"):
        house.record(PLANNED)
    house.approve("two", "three", name="back")
    house.record(PLANNED)
    assert house.problems() == ()


def test_a_custodian_signs_no_charter_but_the_one_that_was_read(house: House) -> None:
    proposal = house.propose()
    house.charter.write_text(house.charter.read_text() + "# and more\n")
    with pytest.raises(UsageError, match="is not the charter proposed"):
        house.sign(proposal, "one")
    words = ("sign", str(proposal), "--key", str(house.directory / "one.key"), "--out", "x")
    with pytest.raises(UsageError, match="no charter was named"):
        house.run(*words)


def test_a_changed_proposal_is_none(house: House) -> None:
    proposal = house.propose()
    proposal.write_text(proposal.read_text().replace("/us\n", "/eu\n"))
    with pytest.raises(EvidenceError, match="no proposal"):
        house.sign(proposal, "one")


def test_what_is_proposed_is_printed_as_json(
    house: House, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    out = ("--out", str(house.directory / "operation"), "--json")
    words = ("propose", "destroy", "--charter", str(house.charter), "--version", "1")
    assert house.run(*words, "--root", "file:us.root", *out) == 0
    told = json.loads(capfdbinary.readouterr().out)
    assert (told["purpose"], told["versions"]) == ("destroy", [1])
    with pytest.raises(UsageError, match="root and versions"):
        house.run(*words[:4], *out)
    with pytest.raises(UsageError, match="a value that is none"):
        house.run(*words, "--root", "file:us.root", "--sha256", "AB", *out)


def test_nothing_in_a_proposal_can_disguise_itself_on_the_custodians_terminal(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    out = house.directory / "operation"
    words = ("propose", "destroy", "--charter", str(house.charter), "--version", "1")
    root = "file:us.root\u202e\u0085\u009b2J"
    assert house.run(*words, "--root", root, "--out", str(out)) == 0
    capsys.readouterr()
    signed = (*("sign", str(out), "--key", str(house.directory / "one.key")), "--out", f"{out}-1")
    assert house.run(*signed) == 0
    shown = capsys.readouterr().out
    assert "\\u202e\\x85\\x9b2J" in shown
    assert shown.isascii()


def test_a_command_that_acts_has_no_ledger_to_write_to_before_the_charter_is_in_force(
    house: House,
) -> None:
    options = Options(house.charter, as_json=False)
    with Session.open(options) as session, pytest.raises(CharterError, match="0 of the 2"):
        _ = session.evidence
    with Session.open(options) as session:
        session.reading_evidence.record(SCANNED)
    house.approve("one", "two")
    with Session.open(options) as session:
        session.evidence.record(PLANNED)


def _collect(directory: Path, name: str, results: Any) -> None:  # noqa: ANN401 - a queue
    words = ["custody", "enact", str(directory / f"proposal.{name}")]
    try:
        cli.main([*words, "--charter", str(directory / "domicile.toml")], standalone_mode=False)
        results.put("in force")
    except CharterError as error:
        results.put(error.failed)


def test_signatures_that_come_at_once_are_all_kept_and_the_charter_takes_effect_once(
    house: House,
) -> None:
    proposal = house.propose()
    names = ("one", "two", "three")
    for name in names:
        house.sign(proposal, name)
    context = get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=_collect, args=(house.directory, name, results)) for name in names
    ]
    for process in processes:
        process.start()
    said = [results.get(timeout=90) for _ in processes]
    for process in processes:
        process.join(60)
    assert "in force" in said
    reader = read_only(house.records / "ledger")
    kinds = [decode(data).kind for _, data in reader.entries()]
    assert kinds.count("custody.charter-approved") == 1
    (note,) = (house.records / "approvals").glob("*.note")
    assert [name for name in names if f"/{name} " in note.read_text()] == list(names)
    assert house.problems() == ()


def test_a_proposal_that_is_over_is_none(house: House) -> None:
    text = house.charter.read_text()
    ended = Proposal(
        purpose="charter",
        log="domicile.invalid/us",
        boundary="us",
        until="2020-01-01T00:00:00.000Z",
        nonce="ab" * 16,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    path = house.directory / "ended"
    path.write_text(proposal_note(ended).text + "\n")
    with pytest.raises(EvidenceError, match="its proposal ended at 2020"):
        house.enact(house.sign(path, "one"), house.sign(path, "two"))


def test_a_custodian_may_sign_with_a_key_of_either_kind_or_must_with_both(house: House) -> None:
    lasting = house.directory / "lasting.key"
    words = ("keygen", str(lasting), "--name", "custodian.example/two", "--kind", "ml-dsa-44")
    assert house.run(*words) == 0
    house.vkeys["lasting"] = FileSigner.load(lasting).vkey
    house.write("", names=("one", "two", "lasting"))
    proposal = house.propose()
    with pytest.raises(CharterError, match=r"1 of the 2 .* \(custodian.example/one\)"):
        house.enact(house.sign(proposal, "one"), house.sign(proposal, "two"))
    assert house.enact(house.sign(proposal, "lasting")) == 0
    house.record(PLANNED)
    assert house.problems() == ()
