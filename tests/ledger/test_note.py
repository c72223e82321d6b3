from __future__ import annotations

import pytest

from domicile.errors import EvidenceError, UsageError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import Verifier
from domicile.ledger.note import (
    Note,
    Signature,
    open_checkpoint,
    parse_note,
    verify_note,
)
from domicile.ledger.signing import FileSigner, sign_note

# The vectors of Go's golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NEUMANN_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33W"
    "Wd1RvMc+QQ=\n"
)
BOTH = (TEXT + "\n" + NEUMANN_LINE + ENOCH_LINE).encode()


@pytest.mark.parametrize("vkey", [NEUMANN, ENOCH])
def test_published_keys_round_trip(vkey: str) -> None:
    assert Verifier.parse(vkey).vkey == vkey


def test_published_note_verifies_under_either_key() -> None:
    for vkeys in ([NEUMANN], [ENOCH], [NEUMANN, ENOCH]):
        verifiers = [Verifier.parse(vkey) for vkey in vkeys]
        assert verify_note(parse_note(BOTH), verifiers) == tuple(verifiers)


def test_a_note_encodes_as_it_was_read() -> None:
    assert parse_note(BOTH).encode() == BOTH
    assert parse_note(BOTH).text == TEXT


def test_a_known_key_with_a_bad_signature_refuses_the_note_though_another_is_good() -> None:
    note = parse_note(BOTH)
    neumann, enoch = note.signatures
    forged = Signature(enoch.name, enoch.key_id, neumann.signature)
    both = [Verifier.parse(NEUMANN), Verifier.parse(ENOCH)]
    with pytest.raises(EvidenceError, match="signature of EnochRoot is wrong"):
        verify_note(Note(note.text, (neumann, forged)), both)
    assert verify_note(Note(note.text, (neumann, forged)), both[:1]) == (both[0],)


def test_an_unknown_key_is_ignored_and_does_not_count() -> None:
    with pytest.raises(EvidenceError, match="no key that you trust"):
        verify_note(parse_note(BOTH), [Verifier.parse(FileSigner("other", bytes(32)).vkey)])


def test_the_same_name_under_another_key_is_unknown() -> None:
    stranger = Verifier.parse(FileSigner("PeterNeumann", bytes(32)).vkey)
    with pytest.raises(EvidenceError, match="no key that you trust"):
        verify_note(parse_note(BOTH), [stranger])


def test_a_changed_text_is_refused() -> None:
    changed = BOTH.replace(b"answer", b"Answer")
    with pytest.raises(EvidenceError):
        verify_note(parse_note(changed), [Verifier.parse(NEUMANN)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TEXT.encode(),
        (TEXT + "\n").encode(),
        BOTH[:-1],
        BOTH + b"x",
        BOTH.replace("—".encode(), b"-"),
        BOTH.replace(b"PeterNeumann ", b""),
        BOTH.replace(b"x08g", b"x0*g"),
        BOTH.replace(b"answer", b"ans\twer"),
        b"\xff" + BOTH,
        (TEXT + "\n" + NEUMANN_LINE * 101).encode(),
        (TEXT + "\n— PeterNeumann x08gow==\n").encode(),
        b"x" * 1_000_001,
    ],
)
def test_a_malformed_note_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_note(data)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "PeterNeumann",
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN[:-4],
        NEUMANN.replace("+AR", "+BR"),
        NEUMANN.replace("Peter", "Peter "),
        NEUMANN.replace("PeterNeumann", "Other"),
        NEUMANN.replace("/", "_"),
    ],
)
def test_a_malformed_key_is_refused(vkey: str) -> None:
    with pytest.raises(UsageError):
        Verifier.parse(vkey)


def test_a_checkpoint_has_the_published_form() -> None:
    root = bytes.fromhex("c6bf1c3d3d6b6a8d1f7c1bdb9a5f0e0d1a2b3c4d5e6f708192a3b4c5d6e7f809")
    checkpoint = Checkpoint("example.com/behind-the-sofa", 20852163, root)
    assert checkpoint.text == (
        "example.com/behind-the-sofa\n20852163\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+Ak=\n"
    )
    assert Checkpoint.parse(checkpoint.text) == checkpoint
    extended = Checkpoint("a", 0, root, ("more", "and more"))
    assert Checkpoint.parse(extended.text) == extended


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+Ak=\n",
        "a\n-1\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+Ak=\n",
        "a\n1\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+A==\n",
        "\n1\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+Ak=\n",
        "a\n1\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+Ak=\n\nb\n",
        "a\n99999999999999999999\nxr8cPT1rao0ffBvbml8ODRorPE1eb3CBkqO0xdbn+Ak=\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceError):
        Checkpoint.parse(text)


def test_a_checkpoint_that_its_log_did_not_sign_is_refused() -> None:
    signer = FileSigner("example.com/witness", bytes(32))
    text = Checkpoint("example.com/log", 0, bytes(32)).text
    signature = Signature(
        signer.name, Verifier.parse(signer.vkey).key_id, signer.sign(text.encode())
    )
    with pytest.raises(EvidenceError, match="did not sign its checkpoint itself"):
        open_checkpoint(Note(text, (signature,)).encode(), [Verifier.parse(signer.vkey)])


def test_a_signer_that_signs_something_else_is_found_out_before_publishing() -> None:
    class Wrong(FileSigner):
        def sign(self, message: bytes) -> bytes:
            return super().sign(message + b"!")

    with pytest.raises(EvidenceError):
        sign_note(Checkpoint("a", 0, bytes(32)).text, [Wrong("a", bytes(32))], 1)
