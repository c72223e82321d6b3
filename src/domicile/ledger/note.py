"""C2SP signed-note: texts that carry signatures. Pure.

A note is its text, an empty line, and lines ``— name base64(key id || signature)``. A key that we
know (name and id) with a bad signature refuses the whole note; a key that we do not know is
ignored; a note without one good signature of a known key is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domicile.errors import EvidenceError
from domicile.ledger.base64 import decode_base64, encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import KEY_ID_BYTES, Verifier, is_key_name

__all__ = [
    "MAX_NOTE_BYTES",
    "NobodySigned",
    "Note",
    "Signature",
    "cosigners",
    "open_checkpoint",
    "parse_note",
    "signed_part",
    "verify_note",
]

MAX_NOTE_BYTES = 1_000_000
_MAX_SIGNATURES = 100
_DASH = "— "
_EXPECTED = "a signed note (C2SP signed-note) under a key that you trust"
_NEXT_STEP = "check the key that you gave; if it is right, keep the note as evidence"


class NobodySigned(EvidenceError):
    """No key that the reader trusts signed the note."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose, and what it says."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as a note carries it, with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart, its signatures not yet verified. text ends with a newline."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note's bytes."""
        return (self.text + "\n" + "".join(s.line for s in self.signatures)).encode()


def parse_note(data: bytes) -> Note:
    """Take a note apart. Raises EvidenceError where it is malformed."""
    if len(data) > MAX_NOTE_BYTES:
        raise _refused(f"the note has more than {MAX_NOTE_BYTES:,} bytes")
    try:
        content = data.decode()
    except UnicodeDecodeError:
        raise _refused("the note is not UTF-8") from None
    text, blank, lines = content.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or any(c < " " and c != "\n" for c in content):
        raise _refused("the note is malformed")
    rows = lines[:-1].split("\n")
    if len(rows) > _MAX_SIGNATURES:
        raise _refused(f"the note has more than {_MAX_SIGNATURES} signatures")
    return Note(text + "\n", tuple(_parse_line(row) for row in rows))


def verify_note(note: Note, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
    """The known keys that signed. Raises EvidenceError on a known key's bad signature, or when
    no known key signed.
    """
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    message = note.text.encode()
    signed: dict[Verifier, None] = {}
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None or verifier in signed:
            continue
        if not verifier.accepts(message, signature.signature):
            raise _refused(f"the signature of {verifier.name} is wrong")
        signed[verifier] = None
    if not signed:
        names = ", ".join(sorted({s.name for s in note.signatures})) or "nobody"
        failed = f"no key that you trust signed the note (signed by: {names[:200]})"
        raise NobodySigned(failed, expected=_EXPECTED, next_step=_NEXT_STEP)
    return tuple(signed)


def signed_part(note: Note, verifiers: Sequence[Verifier]) -> Note:
    """The note with the lines alone that known keys signed, one of each. Raises like
    `verify_note`."""
    signed = {(key.name, key.key_id) for key in verify_note(note, verifiers)}
    lines = {(s.name, s.key_id): s for s in reversed(note.signatures)}
    return Note(note.text, tuple(lines[key] for key in lines if key in signed)[::-1])


def open_checkpoint(data: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Verify and read a checkpoint; the log itself, named as its origin, must have signed: with a
    key of each kind that ``verifiers`` have of it, so that breaking one kind gains nothing.
    Raises EvidenceError.
    """
    note = parse_note(data)
    signed = verify_note(note, verifiers)
    checkpoint = Checkpoint.parse(note.text)
    wanted, found = _kinds(verifiers, checkpoint.origin), _kinds(signed, checkpoint.origin)
    if not wanted or wanted != found:
        raise _refused(f"the log {checkpoint.origin} did not sign its checkpoint itself")
    return checkpoint


def cosigners(data: bytes, witnesses: Sequence[Verifier]) -> frozenset[str]:
    """The names of those witnesses that co-signed a checkpoint, with each key that ``witnesses``
    have of them. Raises EvidenceError where one of their signatures is wrong.
    """
    note = parse_note(data)
    try:
        signed = verify_note(note, witnesses)
    except NobodySigned:
        return frozenset()
    names = {witness.name for witness in signed}
    return frozenset(n for n in names if _kinds(signed, n) == _kinds(witnesses, n))


def _kinds(verifiers: Sequence[Verifier], name: str) -> set[int]:
    return {verifier.algorithm for verifier in verifiers if verifier.name == name}


def _parse_line(row: str) -> Signature:
    name, space, encoded = row.removeprefix(_DASH).partition(" ")
    raw = decode_base64(encoded)
    fits = row.startswith(_DASH) and space and is_key_name(name)
    if not fits or raw is None or len(raw) <= KEY_ID_BYTES:
        raise _refused("a signature line of the note is malformed")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _refused(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected=_EXPECTED,
        next_step=_NEXT_STEP,
    )
