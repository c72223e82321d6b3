"""The pure judge against a naive model of the specification's text."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.ledger import FileSigner, Signer
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.merkle import consistency_proof, root_of
from domicile.ledger.note import parse_note
from domicile.ledger.signing import sign_note
from domicile.ledger.witness.judge import Refusal, judge, read_submission
from tests.ledger.witness_world import LASTING, LOGS, growth, head, history, request
from tests.ledger.world import ORIGIN, SIGNER

STRANGER = FileSigner(ORIGIN, bytes(32))
MOST = 9


def status(body: bytes, seen: Checkpoint | None) -> tuple[int, int | None]:
    """The verdict, as HTTP says it."""
    submission = read_submission(body, LOGS)
    if not isinstance(submission, Refusal):
        refusal = judge(submission, seen)
        return (refusal.status, refusal.size) if refusal else (200, None)
    return submission.status, submission.size


def expected(  # noqa: PLR0911 - the specification's sentences, one by one
    old: int,
    proof: Sequence[bytes],
    leaves: Sequence[bytes],
    seen: Sequence[bytes],
    signers: Sequence[Signer],
    origin: str,
) -> tuple[int, int | None]:
    if len(proof) > 63:
        return 400, None
    if origin != ORIGIN:
        return 404, None
    if not {SIGNER, LASTING} & set(signers):
        return 403, None
    if old > len(leaves):
        return 400, None
    if old != len(seen):
        return 409, len(seen)
    grows = list(leaves[:old]) == list(seen)
    if grows and list(proof) == consistency_proof(leaves, old):
        return 200, None
    return 422, None


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, Checkpoint | None, tuple[int, int | None]]:
    size = draw(st.integers(0, MOST))
    leaves = history(draw(st.sampled_from("ab")), size, common=draw(st.integers(0, MOST)))
    known, shared = draw(st.integers(0, MOST)), draw(st.booleans())
    seen = history("a", known, common=MOST if shared else 0)
    old = draw(st.one_of(st.just(len(seen)), st.integers(0, MOST)))
    proof = consistency_proof(leaves, min(old, size))
    change = draw(st.sampled_from(["none"] * 6 + ["longer", "shorter", "other", "endless"]))
    if change == "longer":
        proof = [*proof, bytes(32)]
    elif change == "shorter":
        proof = proof[:-1]
    elif change == "other":
        proof = [bytes(32) for _ in proof]
    elif change == "endless":
        proof = [bytes(32)] * 64
    signers = draw(st.sampled_from([(SIGNER, LASTING), (SIGNER,), (LASTING,), (STRANGER,)]))
    origin = draw(st.sampled_from([ORIGIN] * 7 + ["example.com/other"]))
    body = request(old, proof, head(leaves, signers, origin))
    last = Checkpoint(ORIGIN, len(seen), root_of(seen))
    kept = last if seen or shared else None
    return body, kept, expected(old, proof, leaves, seen, signers, origin)


@settings(max_examples=400, deadline=None)
@given(cases())
def test_the_judge_says_what_the_specification_says(
    case: tuple[bytes, Checkpoint | None, tuple[int, int | None]],
) -> None:
    body, seen, verdict = case
    assert status(body, seen) == verdict


@settings(deadline=None)
@given(st.integers(0, MOST), st.integers(0, MOST), st.data())
def test_no_single_changed_byte_is_ever_cosigned(old: int, more: int, data: st.DataObject) -> None:
    """Whatever is changed in lines, text or trusted signatures: another answer than 200."""
    leaves = history("", old + more)
    body = bytearray(growth(leaves, old))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    seen = Checkpoint(ORIGIN, old, root_of(leaves[:old])) if old else None
    code, _ = status(bytes(body), seen)
    if code == 200:  # a line became a stranger's: then the other trusted one must be whole
        submission = read_submission(bytes(body), LOGS)
        assert not isinstance(submission, Refusal)
        assert submission.head.root == root_of(leaves)
        assert len(submission.note.signatures) == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_get_a_verdict(body: bytes) -> None:
    assert status(body, None)[0] == 400


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"old",
        b"old ",
        b"old -1",
        b"old 00",
        b"old 01",
        b"old +1",
        b"old 1 ",
        b"old  1",
        b" old 1",
        b"Old 1",
        b"old 1\r",
        b"old 0x1",
        b"old 99999999999999999999",
        "old \u0661".encode(),
        b"old 1\nAAAA",
        b"old 1\n" + b"A" * 43,
        b"old 1\n" + b"A" * 43 + b"==",
        b"old 1\n" + b"A" * 42 + b"B=",  # not how base64 spells it
        b"old 1\n-" + b"A" * 42 + b"=",
        b"old 1\n" + b"\n".join([b"A" * 43 + b"="] * 64),
    ],
)
def test_lines_that_are_no_old_size_and_proof_are_a_bad_request(lines: bytes) -> None:
    whole = lines + b"\n\n" + head(history("", 2))
    assert status(whole, None)[0] == 400


@pytest.mark.parametrize(
    "note",
    [
        b"",
        head(history("", 2))[:-1],
        head(history("", 2)).replace(b"\n2\n", b"\n02\n"),
        head(history("", 2)).replace(b"\n2\n", b"\n\n"),
        head(history("", 2)).replace("—".encode(), b"-"),
        b"\xff" + head(history("", 2)),
    ],
)
def test_a_note_that_is_no_checkpoint_is_a_bad_request(note: bytes) -> None:
    assert status(b"old 0\n\n" + note, None)[0] == 400


def test_sixty_three_hashes_are_read() -> None:
    assert status(request(0, [bytes(32)] * 63, head(history("", 2))), None)[0] == 422


def test_a_trusted_keys_wrong_signature_is_forbidden_though_another_is_right() -> None:
    note, other = parse_note(head(history("", 2))), parse_note(head(history("", 3)))
    mixed = note.text + "\n" + note.signatures[0].line + other.signatures[1].line
    assert status(b"old 0\n\n" + mixed.encode(), None) == (403, None)


def test_a_strangers_lines_are_ignored_and_not_passed_on() -> None:
    stray = "— someone.example AAAAAAAA\n".encode()
    submission = read_submission(b"old 0\n\n" + head(history("", 2)) + stray, LOGS)
    assert not isinstance(submission, Refusal)
    assert [line.name for line in submission.note.signatures] == [ORIGIN, ORIGIN]


def test_two_roots_of_one_size_are_marked_as_proof() -> None:
    one, two = history("a", 5), history("b", 5)
    submission = read_submission(request(5, [], head(two)), LOGS)
    assert not isinstance(submission, Refusal)
    refusal = judge(submission, Checkpoint(ORIGIN, 5, root_of(one)))
    assert refusal is not None
    assert (refusal.status, refusal.is_split) == (422, True)


def test_an_empty_tree_of_another_root_is_refused() -> None:
    text = Checkpoint(ORIGIN, 0, bytes(32)).text
    body = request(0, [], sign_note(text, [SIGNER], 1).encode())
    assert status(body, None) == (422, None)
    assert status(request(0, [], head([])), None) == (200, None)
