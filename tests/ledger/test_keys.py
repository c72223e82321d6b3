"""What each kind of key signs, byte for byte, and that no kind passes for another."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from domicile.errors import EvidenceError, UsageError
from domicile.ledger import FileSigner
from domicile.ledger.base64 import encode_base64
from domicile.ledger.keys import (
    COSIGN_ED25519,
    COSIGN_MLDSA44,
    ED25519,
    Verifier,
    signed_message,
)
from domicile.ledger.note import Note, Signature, cosigners, open_checkpoint, signed_part
from domicile.ledger.signing import sign_note

KINDS = (ED25519, COSIGN_ED25519, COSIGN_MLDSA44)
NAME = "witness.example/w1"
ORIGIN = "example.com/behind-the-sofa"
ROOT = bytes.fromhex("0ac518" + "5a" * 29)
TEXT = f"{ORIGIN}\n20852163\n{encode_base64(ROOT)}\n"
TIME_S = 1679315147
SEED = bytes(range(32))


def signer(kind: int, name: str = NAME) -> FileSigner:
    return FileSigner(name, SEED, kind)


def key(kind: int, name: str = NAME) -> Verifier:
    return Verifier.parse(signer(kind, name).vkey)


def test_an_ed25519_cosignature_signs_two_lines_and_the_text() -> None:
    message = (
        b"cosignature/v1\n"
        b"time 1679315147\n"
        b"example.com/behind-the-sofa\n"
        b"20852163\n"
        b"CsUYWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"
    )
    assert signed_message(key(COSIGN_ED25519), TEXT.encode(), TIME_S) == message
    (line,) = sign_note(TEXT, [signer(COSIGN_ED25519)], TIME_S).signatures
    assert line.signature[:8] == b"\x00\x00\x00\x00\x64\x18\x50\xcb"
    assert len(line.signature) == 8 + 64
    public = Ed25519PublicKey.from_public_bytes(key(COSIGN_ED25519).public_key)
    public.verify(line.signature[8:], message)


def test_an_mldsa44_cosignature_signs_the_published_structure() -> None:
    message = b"".join(
        [
            b"subtree/v1\n\x00",  # label[12]
            b"\x12witness.example/w1",  # opaque cosigner_name<1..2^8-1>
            b"\x00\x00\x00\x00\x64\x18\x50\xcb",  # uint64 timestamp
            b"\x1bexample.com/behind-the-sofa",  # opaque log_origin<1..2^8-1>
            b"\x00\x00\x00\x00\x00\x00\x00\x00",  # uint64 start
            b"\x00\x00\x00\x00\x01\x3e\x2d\xc3",  # uint64 end
            ROOT,  # uint8 hash[32]
        ]
    )
    assert signed_message(key(COSIGN_MLDSA44), TEXT.encode(), TIME_S) == message
    (line,) = sign_note(TEXT, [signer(COSIGN_MLDSA44)], TIME_S).signatures
    assert line.signature[:8] == b"\x00\x00\x00\x00\x64\x18\x50\xcb"
    assert len(line.signature) == 8 + 2420
    public = MLDSA44PublicKey.from_public_bytes(key(COSIGN_MLDSA44).public_key)
    public.verify(line.signature[8:], message)


def test_a_plain_signature_signs_the_text_alone() -> None:
    assert signed_message(key(ED25519), b"any text\n", 0) == b"any text\n"


@pytest.mark.parametrize(("kind", "length"), [(0x01, 32), (0x04, 32), (0x06, 1312)])
def test_a_key_spells_its_kind_and_its_id(kind: int, length: int) -> None:
    public = key(kind).public_key
    assert len(public) == length
    identity = sha256(NAME.encode() + b"\n" + bytes([kind]) + public).digest()[:4]
    vkey = f"{NAME}+{identity.hex()}+{encode_base64(bytes([kind]) + public)}"
    assert key(kind).vkey == vkey
    assert Verifier.parse(vkey) == key(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_key_of_each_kind_signs_it_accepts(kind: int) -> None:
    (line,) = sign_note(TEXT, [signer(kind)], TIME_S).signatures
    assert key(kind).accepts(TEXT.encode(), line.signature)
    assert not key(kind).accepts(TEXT.replace("3\n", "4\n").encode(), line.signature)
    for at in (0, 7, len(line.signature) - 1):  # its timestamp is signed too
        flipped = bytearray(line.signature)
        flipped[at] ^= 1
        assert not key(kind).accepts(TEXT.encode(), bytes(flipped))
    assert not key(kind).accepts(TEXT.encode(), line.signature[:-1])
    assert not key(kind).accepts(TEXT.encode(), line.signature + b"\x00")
    assert not key(kind).accepts(TEXT.encode(), b"")


@pytest.mark.parametrize("made", KINDS)
@pytest.mark.parametrize("read", KINDS)
def test_a_signature_of_one_kind_is_never_one_of_another(made: int, read: int) -> None:
    if made == read:
        return
    (line,) = sign_note(TEXT, [signer(made)], TIME_S).signatures
    stamp = TIME_S.to_bytes(8, "big")
    for signature in (line.signature, line.signature[8:], stamp + line.signature):
        assert not key(read).accepts(TEXT.encode(), signature)


@pytest.mark.parametrize("kind", [COSIGN_ED25519, COSIGN_MLDSA44])
@pytest.mark.parametrize("time_s", [0, 2**63, 2**64 - 1])
def test_a_time_that_no_cosignature_may_have_is_refused(kind: int, time_s: int) -> None:
    with pytest.raises(ValueError, match=str(time_s)):
        signed_message(key(kind), TEXT.encode(), time_s)
    forged = signer(kind).sign(_message_at(kind, time_s))
    assert not key(kind).accepts(TEXT.encode(), time_s.to_bytes(8, "big") + forged)


def _message_at(kind: int, time_s: int) -> bytes:
    if kind == COSIGN_ED25519:
        return f"cosignature/v1\ntime {time_s}\n{TEXT}".encode()
    fixed = signed_message(key(kind), TEXT.encode(), TIME_S)
    return fixed.replace(TIME_S.to_bytes(8, "big"), time_s.to_bytes(8, "big"))


@pytest.mark.parametrize("kind", [COSIGN_ED25519, COSIGN_MLDSA44])
def test_the_last_permitted_time_is_accepted(kind: int) -> None:
    (line,) = sign_note(TEXT, [signer(kind)], 2**63 - 1).signatures
    assert key(kind).accepts(TEXT.encode(), line.signature)


@pytest.mark.parametrize("kind", [COSIGN_ED25519, COSIGN_MLDSA44])
def test_a_cosignature_speaks_of_checkpoints_alone(kind: int) -> None:
    with pytest.raises(EvidenceError):
        signed_message(key(kind), b"a letter\n", TIME_S)


def test_an_mldsa44_cosignature_has_room_for_names_of_255_bytes_alone() -> None:
    longest = "o" * 255
    text = TEXT.replace(ORIGIN, longest)
    message = signed_message(key(COSIGN_MLDSA44, longest), text.encode(), TIME_S)
    assert message[12:14] == b"\xffo"
    with pytest.raises(ValueError, match="oooo"):
        signed_message(key(COSIGN_MLDSA44), ("o" + text).encode(), TIME_S)
    with pytest.raises(UsageError):
        signer(COSIGN_MLDSA44, longest + "o")


@pytest.mark.parametrize("prefix", [b"\x00", b"\x02", b"\x05", b"\x07", b"\xff"])
def test_a_key_of_an_unknown_algorithm_is_refused(prefix: bytes) -> None:
    data = prefix + bytes(32)
    identity = sha256(NAME.encode() + b"\n" + data).hexdigest()[:8]
    with pytest.raises(UsageError, match="neither an Ed25519 nor an ML-DSA-44 key"):
        Verifier.parse(f"{NAME}+{identity}+{encode_base64(data)}")


@pytest.mark.parametrize(("kind", "length"), [(0x01, 31), (0x04, 33), (0x06, 32), (0x06, 1313)])
def test_a_key_of_another_length_is_refused(kind: int, length: int) -> None:
    data = bytes([kind]) + bytes(length)
    identity = sha256(NAME.encode() + b"\n" + data).hexdigest()[:8]
    with pytest.raises(UsageError):
        Verifier.parse(f"{NAME}+{identity}+{encode_base64(data)}")


def test_a_checkpoint_needs_a_signature_of_every_kind_of_key_that_the_reader_has() -> None:
    plain, lasting = signer(ED25519, ORIGIN), signer(COSIGN_MLDSA44, ORIGIN)
    both = [key(ED25519, ORIGIN), key(COSIGN_MLDSA44, ORIGIN)]
    whole = sign_note(TEXT, [plain, lasting], TIME_S)
    assert open_checkpoint(whole.encode(), both).size == 20852163
    for only in (plain, lasting):
        partly = sign_note(TEXT, [only], TIME_S).encode()
        assert open_checkpoint(partly, [Verifier.parse(only.vkey)]).size == 20852163
        with pytest.raises(EvidenceError, match="did not sign its checkpoint itself"):
            open_checkpoint(partly, both)


def test_a_witness_has_cosigned_where_each_of_its_keys_has() -> None:
    kinds = (COSIGN_ED25519, COSIGN_MLDSA44)
    keys = [key(kind) for kind in kinds]
    whole = sign_note(TEXT, [signer(kind) for kind in kinds], TIME_S).encode()
    partly = sign_note(TEXT, [signer(COSIGN_ED25519)], TIME_S).encode()
    assert cosigners(whole, keys) == {NAME}
    assert cosigners(partly, keys) == frozenset()
    assert cosigners(partly, keys[:1]) == {NAME}
    assert cosigners(whole, [key(COSIGN_ED25519, "witness.example/w2")]) == frozenset()


def test_the_signed_part_of_a_note_leaves_out_strangers_and_repetitions() -> None:
    plain, stranger = signer(ED25519, ORIGIN), signer(COSIGN_ED25519)
    note = sign_note(TEXT, [stranger, plain], TIME_S)
    mine = note.signatures[1]
    again = Signature(mine.name, mine.key_id, b"again")
    crowded = Note(note.text, (*note.signatures, again))
    assert signed_part(crowded, [key(ED25519, ORIGIN)]) == Note(TEXT, (mine,))
