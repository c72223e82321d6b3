from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError
from domicile.ledger import FileSigner, encode
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44, Verifier
from domicile.ledger.merkle import inclusion_proof, leaf_hash, root_of
from domicile.ledger.proofs import Prover
from domicile.ledger.signing import sign_note
from domicile.ledger.store import Store
from domicile.ledger.tlog_proof import TlogProof
from tests.ledger.world import ORIGIN, SIGNER, fill, noted, texts

KEYS = [Verifier.parse(SIGNER.vkey)]
WITNESSES = [FileSigner(f"example.com/w{n}", bytes([n] * 32), COSIGN_ED25519) for n in (1, 2)]
ENTRIES = [f"entry {n}".encode() for n in range(11)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def proof(index: int, *cosigned: FileSigner, extra: bytes = b"") -> TlogProof:
    text = Checkpoint(ORIGIN, len(LEAVES), root_of(LEAVES)).text
    note = sign_note(text, [SIGNER, *cosigned], 1_700_000_000)
    return TlogProof(index, tuple(inclusion_proof(LEAVES, index)), note.encode(), extra)


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def test_a_proof_is_spelled_as_the_specification_spells_it() -> None:
    made = proof(9, extra=b"opaque")
    lines = made.encode().decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra b3BhcXVl", "index 9"]
    blank = lines.index("")
    assert [base64.b64decode(line) for line in lines[3:blank]] == list(made.path)
    assert lines[blank + 1 : blank + 3] == [ORIGIN, "11"]
    assert made.encode().endswith(made.checkpoint)


@pytest.mark.parametrize("index", range(11))
def test_every_entry_is_proven_from_the_text_alone(index: int) -> None:
    read = TlogProof.parse(proof(index).encode())
    assert read.verify(ENTRIES[index], KEYS).size == 11


def test_a_proof_out_of_a_stored_log_holds(tmp_path: Path) -> None:
    fill(tmp_path, texts("a", 300))
    store = Store(tmp_path)
    note = store.note()
    assert note is not None
    made = TlogProof(270, tuple(Prover(store, 300).inclusion(270)), note)
    assert TlogProof.parse(made.encode()).verify(encode(noted("a270")), KEYS).size == 300


def test_another_entry_index_path_or_root_is_refused() -> None:
    good = proof(4)
    for wrong in (
        TlogProof(5, good.path, good.checkpoint),
        TlogProof(4, good.path[:-1], good.checkpoint),
        TlogProof(4, good.path[::-1], good.checkpoint),
        TlogProof(4, (*good.path, bytes(32)), good.checkpoint),
        TlogProof(11, good.path, good.checkpoint),
        TlogProof(2**63 - 1, good.path, good.checkpoint),
    ):
        with pytest.raises(EvidenceError):
            wrong.verify(ENTRIES[4], KEYS)
    with pytest.raises(EvidenceError):
        good.verify(ENTRIES[5], KEYS)


def test_a_checkpoint_signed_by_somebody_else_is_refused() -> None:
    stranger = FileSigner(ORIGIN, bytes(32))
    with pytest.raises(EvidenceError, match="no key that you trust"):
        proof(4).verify(ENTRIES[4], [Verifier.parse(stranger.vkey)])


def test_the_quorum_counts_named_witnesses_that_cosigned() -> None:
    both = [Verifier.parse(witness.vkey) for witness in WITNESSES]
    one = proof(4, WITNESSES[0])
    assert one.verify(ENTRIES[4], KEYS, witnesses=both, quorum=1).size == 11
    with pytest.raises(EvidenceError, match="1 of the named witnesses co-signed, not 2"):
        one.verify(ENTRIES[4], KEYS, witnesses=both, quorum=2)
    two = proof(4, *WITNESSES)
    assert two.verify(ENTRIES[4], KEYS, witnesses=both, quorum=2).size == 11


def test_a_key_under_the_logs_own_name_is_no_witness() -> None:
    itself = FileSigner(ORIGIN, bytes([9] * 32), COSIGN_MLDSA44)
    with pytest.raises(EvidenceError, match="0 of the named witnesses"):
        proof(4, itself).verify(ENTRIES[4], KEYS, witnesses=[Verifier.parse(itself.vkey)], quorum=1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"tlog-proof@v1", b"tlog-proof@v2"),
        (b"c2sp.org", b" c2sp.org"),
        (b"extra b3BhcXVl\n", b"extra \n"),
        (b"extra b3BhcXVl\n", b"extra b3BhcXVm=\n"),
        (b"extra b3BhcXVl\n", b"extra b3BhcXVl\nextra b3BhcXVl\n"),
        (b"extra ", b"Extra "),
        (b"index 4", b"index 04"),
        (b"index 4", b"index -4"),
        (b"index 4", b"index 4 "),
        (b"index 4", b"index +4"),
        (b"index 4", b"index " + b"9" * 20),
        (b"index 4", "index ٤".encode()),
        (b"index 4\n", b""),
        (b"index 4\n", b"index 4\r\n"),
        (b"index 4\n", b"index 4\nAAAA\n"),
        (b"index 4\n", b"index 4\n\n"),
        (b"index 4\n", b"index 4\n" + (base64.b64encode(bytes(32)) + b"\n") * 64),
        (b"\n\nexample", b"\nexample"),
        (b"\n11\n", b"\n011\n"),
    ],
)
def test_any_other_spelling_is_refused(old: bytes, new: bytes) -> None:
    good = proof(4, extra=b"opaque").encode()
    with pytest.raises(EvidenceError):
        TlogProof.parse(changed(good, old, new))


def test_base64_with_other_trailing_bits_is_refused() -> None:
    good = proof(4).encode()
    step = base64.b64encode(proof(4).path[0])
    other = step[:-2] + bytes([step[-2] + 1]) + b"="
    assert base64.b64decode(other) == proof(4).path[0]
    assert base64.b64decode(other) == proof(4).path[0]
    with pytest.raises(EvidenceError):
        TlogProof.parse(changed(good, step, other)).verify(ENTRIES[4], KEYS)


@given(st.integers(0, 10), st.binary(max_size=40))
def test_what_is_written_is_read(index: int, extra: bytes) -> None:
    made = proof(index, extra=extra)
    assert TlogProof.parse(made.encode()) == made


@given(st.binary(max_size=300))
def test_what_is_no_proof_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        TlogProof.parse(data)
