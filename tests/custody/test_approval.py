"""Operations on a root under custodians: with a real ledger, state database and root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from domicile.charter import LoadedCharter, load_charter
from domicile.custody.approval import QuorumApprover
from domicile.custody.entries import REASONS, KeysOpened, OperationApproved
from domicile.custody.file_root import FileRoot
from domicile.custody.keyring import Keyring
from domicile.errors import EvidenceError, UsageError
from domicile.inventory import Evidence, ledger_directory
from domicile.inventory.standing import collect
from domicile.ledger import FileSigner, decode, published_keys, read_only, time_text, verify_log
from domicile.ledger.note import Note, Signature
from domicile.ledger.proposals import Proposal, fresh_nonce, proposal_note
from domicile.ledger.signing import sign_note
from domicile.state import State
from tests.charter.conftest import CHARTER

PASSPHRASE = "correct horse battery staple"
ROOT = "file:us.root"
SIGNERS = {n: FileSigner(f"custodian.example/{n}", bytes([n]) * 32) for n in (1, 2, 3, 4)}


class House:
    """Records under a charter that two of three custodians approved, and the keys of its
    boundary."""

    def __init__(self, directory: Path) -> None:
        self.records = directory / ".domicile"
        path = directory / "domicile.toml"
        if not path.exists():
            keys = ", ".join(f'"{SIGNERS[n].vkey}"' for n in (1, 2, 3))
            path.write_text(
                f"{CHARTER}\n[boundaries.us.custodians]\nkeys = [{keys}]\n"
                "charter = 2\noperations = 2\n"
            )
            FileRoot.create(directory / "us.root", PASSPHRASE)
        self.loaded: LoadedCharter = load_charter(path)
        self.root = FileRoot.open(directory / "us.root", PASSPHRASE)
        self.state = State.beside(self.records)
        self.evidence = Evidence(self.records, self.loaded)

    def approve_charter(self) -> None:
        proposed = self.evidence.standing().propose("us", datetime.now(UTC) + timedelta(days=1))
        custodians = self.evidence.standing().custodians
        assert custodians is not None
        note = collect(self.records, [signed(proposed, 1, 2)], custodians)
        self.evidence.approve_charter(note, "us")

    def ring(self, *notes: Note) -> Keyring:
        standing = self.evidence.standing()
        custodians = standing.operators
        assert custodians is not None
        place = self.loaded.charter.ledger_origin, "us"
        approver = QuorumApprover(
            custodians, place, notes, standing.read.nonces, self.evidence.record_once
        )
        return Keyring(self.state, self.root, "us", self.evidence.record, approver)

    def proposal(self, purpose: str, *versions: int, **more: Any) -> Proposal:  # noqa: ANN401
        about: dict[str, Any] = {
            "purpose": purpose,
            "log": self.loaded.charter.ledger_origin,
            "boundary": "us",
            "until": time_text(datetime.now(UTC) + timedelta(days=1)),
            "nonce": fresh_nonce(),
            "root": ROOT,
            "versions": versions,
        }
        return Proposal(**{**about, **more})

    def kinds(self) -> list[str]:
        entries = read_only(ledger_directory(self.records)).entries()
        return [decode(data).kind for _, data in entries]

    def close(self) -> None:
        self.evidence.close()
        self.state.close()

    def problems(self) -> Sequence[str]:
        log = ledger_directory(self.records)
        return verify_log(log, published_keys(log), self.records).problems


def signed(proposed: Proposal, *names: int) -> Note:
    return sign_note(proposal_note(proposed).text, [SIGNERS[name] for name in names], 1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.approve_charter()
    yield house
    house.close()


def test_a_rotation_that_two_of_three_signed_is_done_and_in_the_ledger_before(
    house: House,
) -> None:
    ring = house.ring(signed(house.proposal("rotate-root", 1), 1, 3))
    assert ring.rotate_root(ring.open("rotate")) == 2
    kinds = house.kinds()
    assert kinds.index("custody.operation-approved") < kinds.index(
        "custody.boundary-keys-rewrapped"
    )
    assert house.problems() == ()


@pytest.mark.parametrize("names", [(1,), (1, 1), (1, 4), (4,)])
def test_too_few_signatures_move_nothing_and_say_whose_there_are(
    house: House, names: tuple[int, ...]
) -> None:
    ring = house.ring(signed(house.proposal("rotate-root", 1), *names))
    keys, before = ring.open("rotate"), house.kinds()
    with pytest.raises(UsageError, match="custodians did not approve rotate-root") as caught:
        ring.rotate_root(keys)
    mine = "custodian.example/1" if 1 in names else "nobody"
    assert f"({mine})" in str(caught.value)
    assert (house.root.versions(), house.kinds()) == ((1,), before)


def test_signatures_on_several_notes_of_one_proposal_count_together(house: House) -> None:
    proposed = house.proposal("rotate-root", 1)
    ring = house.ring(signed(proposed, 1), signed(proposed, 2))
    assert ring.rotate_root(ring.open("rotate")) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "move-root"},
        {"versions": (2,)},
        {"root": "file:other"},
        {"boundary": "eu"},
        {"log": "another.example/log"},
        {"reason": "recover"},
        {"sha256": "ab" * 32},
        {"until": "2020-01-01T00:00:00.000Z"},
    ],
)
def test_an_approval_of_something_else_or_of_another_time_is_none(
    house: House, changed: dict[str, Any]
) -> None:
    ring = house.ring(signed(replace(house.proposal("rotate-root", 1), **changed), 1, 2))
    with pytest.raises(UsageError, match="did not approve rotate-root"):
        ring.rotate_root(ring.open("rotate"))
    assert house.root.versions() == (1,)


def test_an_approval_is_used_once_by_this_process_and_by_any_other(house: House) -> None:
    note = signed(house.proposal("rotate-root", 1), 1, 2)
    ring = house.ring(note)
    keys = ring.open("rotate")
    ring.rotate_root(keys)
    with pytest.raises(UsageError, match="used before"):
        ring.rotate_root(keys)
    with pytest.raises(UsageError, match="used before"):
        house.ring(note).rotate_root(keys)
    assert house.root.versions() == (1, 2)
    assert house.problems() == ()


def test_a_wrong_signature_of_a_custodian_refuses(house: House) -> None:
    note = signed(house.proposal("rotate-root", 1), 1, 2)
    third = Signature("custodian.example/3", _id(3), bytes(64))
    ring = house.ring(Note(note.text, (*note.signatures, third)))
    with pytest.raises(EvidenceError, match=r"custodian.example/3 is wrong"):
        ring.rotate_root(ring.open("rotate"))


def _id(name: int) -> bytes:
    return bytes.fromhex(SIGNERS[name].vkey.split("+")[1])


def test_a_destruction_goes_on_after_it_was_broken_off_without_another_approval(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [
        signed(house.proposal("rotate-root", 2), 1, 2),
        signed(house.proposal("destroy", 1), 2, 3),
    ]
    ring = house.ring(*notes)
    ring.open("move")
    ring.rotate()
    ring.rotate_root(ring.open("rotate"))
    with monkeypatch.context() as broken:
        broken.setattr(house.root, "destroy", _broken)
        with pytest.raises(KeyboardInterrupt):
            ring.destroy(1)
    assert house.root.versions() == (1, 2)
    house.ring().destroy(1)
    assert house.root.versions() == (2,)
    assert house.problems() == ()


def _broken(_: int) -> None:
    raise KeyboardInterrupt


def test_keys_are_moved_to_the_root_that_was_approved_and_to_no_other(
    house: House, tmp_path: Path
) -> None:
    other = FileRoot.create(tmp_path / "other.root", PASSPHRASE)
    ring = house.ring(signed(house.proposal("move-root", 1), 1, 2))
    keys = ring.open("rotate")
    with pytest.raises(UsageError, match=r"did not approve move-root of file:other\.root"):
        ring.move_to(other, keys)
    moved = house.ring(signed(house.proposal("move-root", 1, root="file:other.root"), 1, 2))
    assert moved.move_to(other, keys).open("verify").boundary_keys == keys.boundary_keys
    assert house.problems() == ()


def test_recovery_needs_the_custodians_and_daily_work_does_not(house: House) -> None:
    for reason in REASONS[:-1]:
        house.ring().open(reason)
    with pytest.raises(UsageError, match="did not approve open"):
        house.ring().open("recover")
    house.ring(signed(house.proposal("open", 1, reason="recover"), 1, 2)).open("recover")
    assert house.problems() == ()


def test_a_keyring_that_asks_nobody_is_stopped_by_the_ledger(house: House) -> None:
    ring = Keyring(house.state, house.root, "us", house.evidence.record)
    keys = ring.open("move")
    with pytest.raises(UsageError, match=r"begins open of file:us\.root without"):
        ring.open("recover")
    with pytest.raises(UsageError, match="begins move-root or rotate-root"):
        ring.rotate_root(keys)
    assert house.problems() == ()


def _rotate(directory: Path, note: Note, results: Any) -> None:  # noqa: ANN401 - a queue
    house = House(directory)
    ring = house.ring(note)
    keys = ring.open("rotate")
    results.put("ready")
    try:
        ring.rotate_root(keys)
        results.put("done")
    except UsageError as error:
        results.put(error.failed)
    house.close()


def test_of_processes_that_use_one_approval_at_once_one_begins(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.approve_charter()
    house.ring().open("move")
    note = signed(house.proposal("rotate-root", 1), 1, 2)
    context = get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_rotate, args=(tmp_path, note, results)) for _ in range(3)]
    for process in processes:
        process.start()
    said = [results.get(timeout=60) for _ in range(2 * len(processes))]
    for process in processes:
        process.join(60)
    outcomes = sorted(word for word in said if word != "ready")
    assert outcomes[-1:] == [
        "the custodians did not approve rotate-root of file:us.root: the approval was used before"
    ]
    assert outcomes.count("done") == 1
    assert len(house.root.versions()) == 2
    assert house.kinds().count("custody.operation-approved") == 1
    assert house.problems() == ()
    house.close()


def test_no_entry_names_more_of_a_custodian_than_the_key(house: House) -> None:
    ring = house.ring(signed(house.proposal("rotate-root", 1), 1, 2))
    ring.rotate_root(ring.open("rotate"))
    entries = [
        decode(data).body for _, data in read_only(ledger_directory(house.records)).entries()
    ]
    (approved,) = [body for body in entries if isinstance(body, OperationApproved)]
    assert "custodian.example/1" in approved.note
    assert [body for body in entries if isinstance(body, KeysOpened)]
