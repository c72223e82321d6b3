"""Approvals in a log that somebody else wrote: what verification says of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from domicile.charter import custodians_in
from domicile.custody.entries import (
    BoundaryKeyCondemned,
    BoundaryKeysRewrapped,
    CharterApproved,
    KeysOpened,
    OperationApproved,
)
from domicile.errors import EvidenceError
from domicile.inventory.entries import CharterInForce
from domicile.ledger import Body, Entry, FileSigner, Verification, split_text, time_text, verify_log
from domicile.ledger.keys import COSIGN_MLDSA44
from domicile.ledger.note import Note
from domicile.ledger.proposals import (
    Operation,
    Proposal,
    fresh_nonce,
    proposal_note,
    read_note,
    read_proposal,
    signers_of,
)
from domicile.ledger.signing import sign_note
from domicile.move.entries import Planned
from domicile.scan.entries import ScanStarted
from tests.ledger.world import BEGIN, ORIGIN, SIGNER, check, fill

SIGNERS = {n: FileSigner(f"custodian.example/{n}", bytes([n]) * 32) for n in (1, 2, 3, 4, 5)}
LASTING = {n: FileSigner(f"custodian.example/{n}", bytes([n]) * 32, COSIGN_MLDSA44) for n in (1, 2)}
ROOT = "file:us.root"
ACT = Planned(run="r", boundary="us", row_shards=0, object_shards=0, rows=0, blockers=0, files=())
LOOK = ScanStarted(run="r", boundary="us", tool="t", files=())


def charter(*names: int, needed: int = 2, more: str = "") -> str:
    keys = ", ".join(f'"{SIGNERS[name].vkey}"' for name in names)
    return (
        f"[boundaries.us]\n{more}\n[boundaries.us.custodians]\nkeys = [{keys}]\n"
        f"charter = {needed}\noperations = {needed}\n"
    )


A = charter(1, 2, 3)
B = charter(3, 4, 5)


def sha(text: str) -> str:
    return split_text(text)[0]


def proposal(text: str, before: str = "") -> Proposal:
    return Proposal(
        purpose="charter",
        log=ORIGIN,
        boundary="us",
        until=time_text(BEGIN + timedelta(days=1)),
        nonce=fresh_nonce(),
        sha256=sha(text),
        before=sha(before) if before else "",
    )


def signed(proposed: Proposal, *names: int) -> str:
    note = sign_note(proposal_note(proposed).text, [SIGNERS[name] for name in names], 1)
    return note.encode().decode()


def text_entry(text: str) -> Entry:
    digest, (part,) = split_text(text)
    return entry(CharterInForce(sha256=digest, part=0, parts=1, text=part), text)


def entry(body: Body, text: str, at: datetime = BEGIN) -> Entry:
    return Entry(body, at, sha(text))


def approved(text: str, note: str) -> Entry:
    return entry(CharterApproved("us", note, sha(text)), text)


def verify(directory: Path, entries: Sequence[Entry]) -> Verification:
    fill(directory, list(entries))
    return check(directory)


def begun(*names: int) -> list[Entry]:
    """Charter A put in force by these custodians."""
    return [text_entry(A), approved(A, signed(proposal(A), *names))]


def test_what_is_done_under_a_charter_that_enough_signed_is_sound(tmp_path: Path) -> None:
    entries = [text_entry(A), entry(LOOK, A), *begun(1, 3)[1:], entry(ACT, A), entry(LOOK, A)]
    assert verify(tmp_path, entries).problems == ()


def test_what_is_done_under_a_charter_that_nobody_signed_is_told_and_looking_is_not(
    tmp_path: Path,
) -> None:
    (problem,) = verify(
        tmp_path, [text_entry(A), entry(LOOK, A), entry(ACT, A), entry(ACT, A)]
    ).problems
    assert problem == (
        f"entry 2: it is a move.planned under charter {sha(A)}, which its custodians did not"
        " approve: 2 of them must sign it"
    )


def test_an_approval_that_comes_too_late_does_not_help_what_was_done_before(
    tmp_path: Path,
) -> None:
    (problem,) = verify(tmp_path, [text_entry(A), entry(ACT, A), *begun(1, 2)[1:]]).problems
    assert problem.startswith("entry 1: it is a move.planned")


@pytest.mark.parametrize("names", [(1,), (1, 4), (4, 5), (1, 1)])
def test_an_approval_that_too_few_signed_is_none(tmp_path: Path, names: tuple[int, ...]) -> None:
    found = verify(tmp_path, [*begun(*names), entry(ACT, A)]).problems
    assert "of the 2 custodians who must sign did" in found[0]
    assert found[1].startswith("entry 2: it is a move.planned")


def test_a_wrong_signature_of_a_custodian_refuses_whoever_else_signed(tmp_path: Path) -> None:
    forged = signed(proposal(A), 1).rpartition("\n\n")[2]
    note = signed(proposal(A), 2, 3) + forged
    (problem, _) = verify(tmp_path, [text_entry(A), approved(A, note), entry(ACT, A)]).problems
    assert "the signature of custodian.example/1 is wrong" in problem


def test_a_charter_that_replaces_one_needs_the_custodians_of_that_one(tmp_path: Path) -> None:
    usurped = signed(proposal(B, A), 4, 5)
    found = verify(
        tmp_path / "usurped", [*begun(1, 2), text_entry(B), approved(B, usurped), entry(ACT, B)]
    ).problems
    assert [p.partition(":")[0] for p in found] == ["entry 3", "entry 4"]
    handed = signed(proposal(B, A), 1, 2)
    sound = [*begun(1, 2), text_entry(B), approved(B, handed), entry(ACT, B)]
    assert verify(tmp_path / "handed", sound).problems == ()


def test_a_charter_without_custodians_does_not_free_itself(tmp_path: Path) -> None:
    entries = [*begun(1, 2), text_entry("free"), entry(ACT, "free")]
    (problem,) = verify(tmp_path, entries).problems
    assert problem.startswith("entry 3: it is a move.planned")


def test_a_custodian_list_that_cannot_be_read_is_no_way_round_it(tmp_path: Path) -> None:
    broken = A.replace("charter = 2", "charter = 0")
    (problem,) = verify(tmp_path, [text_entry(broken), entry(ACT, broken)]).problems
    assert "what a charter says of its custodians does not hold" in problem


@pytest.mark.parametrize(
    "changed",
    [
        {"log": "another.example/log"},
        {"boundary": "eu"},
        {"sha256": "ab" * 32},
        {"before": "ab" * 32},
        {"until": time_text(BEGIN - timedelta(seconds=1))},
        {"purpose": "destroy"},
    ],
)
def test_a_signature_for_something_else_approves_nothing(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    note = signed(replace(proposal(A), **changed), 1, 2, 3)
    found = verify(tmp_path, [text_entry(A), approved(A, note), entry(ACT, A)]).problems
    assert {p.partition(":")[0] for p in found} == {"entry 1", "entry 2"}


def test_an_approval_serves_once(tmp_path: Path) -> None:
    first, second = signed(proposal(A), 1, 2), signed(proposal(B, A), 1, 2)
    back = signed(proposal(A, B), 4, 5)
    start = [text_entry(A), approved(A, first), text_entry(B), approved(B, second)]
    replayed = verify(tmp_path / "replayed", [*start, approved(A, first)]).problems
    assert [p for p in replayed if p == "entry 4: its proposal was approved before"]
    assert [p for p in replayed if p.startswith("entry 4: its proposal replaces charter none")]
    honest = [*start, approved(A, back), entry(ACT, A)]
    assert verify(tmp_path / "honest", honest).problems == ()
    again = verify(tmp_path / "again", [*honest, approved(B, second)]).problems
    assert [p for p in again if "was approved before" in p]


def test_who_goes_on_under_a_charter_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    handed = approved(B, signed(proposal(B, A), 1, 2))
    found = verify(tmp_path, [*begun(1, 2), text_entry(B), handed, entry(ACT, A)])
    assert found.problems == ()
    assert [n for n in found.notices if "which another had replaced" in n]


def test_the_same_is_found_with_several_workers_and_over_many_spans(tmp_path: Path) -> None:
    many = [entry(LOOK, A)] * 17_000
    fill(tmp_path, [text_entry(A), *many, entry(ACT, A), *many, *begun(1, 2)[1:], entry(ACT, A)])
    alone = check(tmp_path)
    together = verify_log(tmp_path, [SIGNER.vkey], tmp_path, workers=2)
    assert alone.problems == together.problems
    assert [p.partition(":")[0] for p in alone.problems] == ["entry 17001"]


def operation(note: str, purpose: Operation, versions: tuple[int, ...]) -> Entry:
    body = OperationApproved(
        boundary="us", note=note, operation=purpose, root=ROOT, versions=versions, use="u"
    )
    return entry(body, A)


def allowed(purpose: Operation, versions: tuple[int, ...], *names: int, **more: object) -> Entry:
    about = {"purpose": purpose, "versions": versions, "root": ROOT, "sha256": "", **more}
    return operation(signed(replace(proposal(A), **about), *names), purpose, versions)


CONDEMNED = BoundaryKeyCondemned("us", 1, ROOT, (1,))
REWRAPPED = BoundaryKeysRewrapped("us", (2,), ROOT, ROOT, (2,))
RECOVERED = KeysOpened("us", (1,), ROOT, "recover")


@pytest.mark.parametrize(
    ("act", "allowing"),
    [
        (CONDEMNED, lambda: allowed("destroy", (1,), 1, 2)),
        (REWRAPPED, lambda: allowed("rotate-root", (2,), 1, 2)),
        (REWRAPPED, lambda: allowed("move-root", (2,), 1, 2)),
        (RECOVERED, lambda: allowed("open", (1,), 1, 2, reason="recover")),
    ],
)
def test_an_operation_on_the_root_needs_an_approval_of_its_own(
    tmp_path: Path, act: Body, allowing: object
) -> None:
    assert callable(allowing)
    sound = [*begun(1, 2), allowing(), entry(act, A)]
    assert verify(tmp_path / "sound", sound).problems == ()
    (twice,) = verify(tmp_path / "twice", [*sound, entry(act, A)]).problems
    assert twice.startswith("entry 4: it begins ")
    (bare,) = verify(tmp_path / "bare", [*begun(1, 2), entry(act, A)]).problems
    assert "without the approval of 2 custodians" in bare
    other = allowed("shred", (1,), 1, 2)
    assert len(verify(tmp_path / "other", [*begun(1, 2), other, entry(act, A)]).problems) == 1


def test_opening_the_keys_for_daily_work_needs_nobody(tmp_path: Path) -> None:
    entries = [*begun(1, 2), entry(KeysOpened("us", (1,), ROOT, "move"), A)]
    assert verify(tmp_path, entries).problems == ()


def test_without_custodians_nothing_changes(tmp_path: Path) -> None:
    entries = [text_entry("free"), entry(ACT, "free"), entry(CONDEMNED, "free")]
    found = verify(tmp_path, entries)
    assert (found.problems, found.notices) == ((), ())


def test_both_kinds_of_key_sign_and_who_has_both_must_use_both() -> None:
    text = charter(1, 2, 3).replace(
        f'"{SIGNERS[1].vkey}"', f'"{SIGNERS[1].vkey}", "{LASTING[1].vkey}"'
    )
    custodians = custodians_in(text.replace(f'"{SIGNERS[2].vkey}"', f'"{LASTING[2].vkey}"'))
    assert custodians is not None
    bare = proposal_note(proposal(A)).text
    half = sign_note(bare, [SIGNERS[1], LASTING[2]], 1_700_000_000)
    assert signers_of(half, custodians) == {"custodian.example/2"}
    whole = sign_note(bare, [SIGNERS[1], LASTING[1], LASTING[2]], 1_700_000_000)
    assert signers_of(whole, custodians) == {"custodian.example/1", "custodian.example/2"}
    other = proposal_note(proposal(B)).text
    with pytest.raises(EvidenceError, match="is wrong"):
        signers_of(Note(other, half.signatures[1:]), custodians)


def test_a_proposal_is_read_as_it_was_written_and_no_byte_of_it_changes_unseen() -> None:
    proposed = proposal(A, B)
    note = proposal_note(proposed)
    assert read_proposal(read_note((note.text + "\n").encode())) == proposed
    data = note.text.encode()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(EvidenceError):
            read_proposal(Note(text, ()))
