"""What custodians sign: a proposal, as the note of a log of one entry. Pure.

A proposal says in canonical JSON what is to be done once: that a charter or a policy takes effect,
or an operation on the root of a boundary's keys. Its note is a C2SP checkpoint::

    domicile/custody/v1/PURPOSE/BOUNDARY     the origin: nothing else is ever signed under it
    1
    the root: RFC 6962's hash of the tree with that JSON as its one entry
    the JSON

so that the kinds of signature of signed-note sign it as they are: Ed25519 the whole text, ML-DSA-44
origin, size and root. A proposal names ledger, boundary, an unguessable nonce and its end: no
signature serves for another, for a second time, or later.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

import msgspec
import rfc8785
from msgspec import Meta

from domicile.charter import Custodians
from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.entries import Body, EntryTime
from domicile.ledger.keys import Verifier
from domicile.ledger.merkle import leaf_hashes
from domicile.ledger.note import (
    MAX_NOTE_BYTES,
    NobodySigned,
    Note,
    cosigners,
    parse_note,
    signed_part,
)

__all__ = [
    "PURPOSES",
    "Approval",
    "Need",
    "NeedsApproval",
    "Operation",
    "Proposal",
    "Purpose",
    "fresh_nonce",
    "note_of",
    "proposal_note",
    "read_note",
    "read_proposal",
    "signers_of",
    "use_of",
    "verifiers_of",
    "with_known_signatures",
]

Purpose = Literal[
    "charter", "destroy", "move-root", "open", "policy", "rotate-root", "shred", "split"
]
Operation = Literal["charter", "destroy", "move-root", "open", "rotate-root", "shred", "split"]
"""The purposes that `custody.operation-approved` can have, as its kind was frozen."""
PURPOSES: tuple[Purpose, ...] = (
    "charter",
    "destroy",
    "move-root",
    "open",
    "policy",
    "rotate-root",
    "shred",
    "split",
)
_NONCE_BYTES = 16
_ORIGIN = "domicile/custody/v1"
Digest = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done, once, at the latest at ``until``.

    log: the origin of the ledger that holds it. sha256: of the text that takes effect, or of what
    is to be shredded; else empty. before: the SHA-256 of the text that it replaces; empty for the
    first. root: the label of the root that is to be used; of move-root the new one. versions: those
    of the boundary's key (of split, the root's) that it is about; empty for a text.
    reason: of open, why. nonce: 128 random bits.
    """

    purpose: Purpose
    log: Annotated[str, Meta(pattern=r"^[^\x00-\x20\x7f]{1,255}\Z")]
    boundary: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\Z")]
    until: EntryTime
    nonce: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    sha256: Digest = ""
    before: Digest = ""
    root: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{0,500}\Z")] = ""
    versions: tuple[Annotated[int, Meta(ge=1, le=2**53 - 1)], ...] = ()
    reason: Literal["", "move", "verify", "open", "rotate", "shred", "recover"] = ""

    def is_about(self, other: Proposal) -> bool:
        """Whether both are for the same to be done, whenever and under whatever nonce."""
        return msgspec.structs.replace(other, until=self.until, nonce=self.nonce) == self


class Approval(Body, frozen=True):
    """An entry that holds a proposal's note with the signatures of those who agree. Subclasses say
    what they agree to."""

    boundary: str
    note: str

    def agrees(self, proposal: Proposal) -> bool:  # noqa: ARG002 - for subclasses
        """Whether its other fields say what its note proposes."""
        return False


class Need(NamedTuple):
    """What an approval of an operation allows, once; the fields are a proposal's."""

    purpose: Purpose
    root: str
    versions: tuple[int, ...]
    reason: str = ""
    sha256: str = ""


class NeedsApproval(Body, frozen=True):
    """An entry that announces an operation on a root. Subclasses say which."""

    def needs(self) -> frozenset[Need]:
        """What custodians must have approved before, where they must: any one of these."""
        return frozenset()


def fresh_nonce() -> str:
    """One that nobody can guess."""
    return secrets.token_hex(_NONCE_BYTES)


def use_of(nonce: str) -> bytes:
    """The identity under which the one entry is appended that uses a proposal up."""
    return sha256(b"domicile custody use " + nonce.encode()).digest()[:_NONCE_BYTES]


def proposal_note(proposal: Proposal) -> Note:
    """Its note, which nobody has signed yet."""
    return note_of(f"{_ORIGIN}/{proposal.purpose}/{proposal.boundary}", proposal)


def note_of(origin: str, said: msgspec.Struct) -> Note:
    """The note of a log of one entry that says this, which nobody has signed yet."""
    text = rfc8785.dumps(msgspec.to_builtins(said))
    (root,) = leaf_hashes([text])
    return Note(Checkpoint(origin, 1, root, (text.decode(),)).text, ())


def read_proposal(note: Note) -> Proposal:
    """What a note proposes; its signatures are not looked at. Raises EvidenceError where it
    proposes nothing, or its origin and root are not those of what it says."""
    checkpoint = Checkpoint.parse(note.text)
    try:
        proposal = msgspec.json.decode("".join(checkpoint.extensions), type=Proposal)
        same = proposal_note(proposal).text == note.text
    except (msgspec.MsgspecError, rfc8785.CanonicalizationError, ValueError):
        same = False
    if not same:
        raise EvidenceError(
            "the note is no proposal to custodians",
            expected="a note that `domicile custody propose` made, unchanged",
            next_step="sign nothing; ask whoever sent it for the note itself",
        )
    return proposal


def verifiers_of(custodians: Custodians) -> list[Verifier]:
    """The keys whose signatures count."""
    return [Verifier.parse(vkey) for vkey in custodians.keys]


def signers_of(note: Note, custodians: Custodians) -> frozenset[str]:
    """The custodians who signed, each counted once, and only with every key that is named of them.
    Signatures by other keys say nothing. Raises EvidenceError where one by such a key is wrong."""
    return cosigners(note.encode(), verifiers_of(custodians)) if note.signatures else frozenset()


def with_known_signatures(notes: Sequence[Note], custodians: Custodians) -> Note:
    """Notes of one text as one, with the custodians' signatures alone, one by each key. Raises
    EvidenceError where one of them is wrong."""
    lines = tuple(line for note in notes for line in note.signatures)
    try:
        return signed_part(Note(notes[0].text, lines), verifiers_of(custodians))
    except NobodySigned:
        return Note(notes[0].text, ())


def read_note(data: bytes) -> Note:
    """A note, or the bare text of one that nobody has signed yet. Raises EvidenceError."""
    text = data[:MAX_NOTE_BYTES].decode(errors="replace")
    if text.endswith("\n\n") and text.count("\n\n") == 1:
        return Note(text[:-1], ())
    return parse_note(data)
