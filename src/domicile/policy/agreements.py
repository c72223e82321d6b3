"""What approvers sign: that they agree to a request, or have reviewed a grant. Pure.

An agreement says in canonical JSON what is agreed to, whole; its note is that of a proposal to
custodians, under an origin of its own (`domicile.ledger.proposals`)::

    domicile/access/v1/WHAT/BOUNDARY

The ledger keeps the signature alone: the rest follows from its entries before. An agreement names
ledger, request and the end that this had then: no signature serves for another, nor for a second
review.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from domicile.errors import AccessForbidden, DomicileError, EvidenceError
from domicile.ledger import EntryTime
from domicile.ledger.base64 import decode_base64, encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import Verifier
from domicile.ledger.note import Note
from domicile.ledger.proposals import note_of
from domicile.policy.entries import RequestMade, RulesSet
from domicile.policy.grants import AccessRequest
from domicile.policy.staff import StaffId

__all__ = [
    "Agreement",
    "agreement_note",
    "agreement_on",
    "check_signature",
    "read_agreement",
    "signature_in",
]

_ORIGIN = "domicile/access/v1"


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one approver signs. log: the origin of the ledger. until: the end that the request, or
    the grant which it became, has at this time."""

    log: str
    by: StaffId
    what: Literal["approved", "reviewed"]
    until: EntryTime
    request: RequestMade


def agreement_on(request: AccessRequest, by: str, rules: RulesSet) -> Agreement:
    """What somebody would sign of a request as it stands: of a grant, that they reviewed it."""
    what: Literal["approved", "reviewed"] = "reviewed" if request.granted_at else "approved"
    return Agreement(rules.log, by, what, request.until, request.made)


def agreement_note(agreement: Agreement) -> Note:
    """Its note, which nobody has signed yet."""
    return note_of(f"{_ORIGIN}/{agreement.what}/{agreement.request.boundary}", agreement)


def read_agreement(note: Note) -> Agreement:
    """What a note agrees to; its signatures are not looked at. Raises EvidenceError where it is no
    such note."""
    try:
        text = "".join(Checkpoint.parse(note.text).extensions)
        agreement = msgspec.json.decode(text, type=Agreement)
        same = agreement_note(agreement).text == note.text
    except (msgspec.MsgspecError, ValueError):
        same = False
    if not same:
        raise EvidenceError(
            "the note is no agreement to a request",
            expected="a note that `domicile access agreement` made, unchanged",
            next_step="sign nothing; ask whoever sent it for the note itself",
        )
    return agreement


def signature_in(note: Note, agreement: Agreement, vkey: str) -> str:
    """The signature of the key over this agreement, in base64, as entries have it. Raises
    AccessForbidden where the note has none that is good, or is of another agreement."""
    if note.text != agreement_note(agreement).text:
        raise AccessForbidden(
            f"what was signed is not what {agreement.by} would agree to now",
            next_step=f"domicile access agreement {agreement.request.request}, then sign that",
        )
    key = _key_of(agreement.by, vkey)
    for line in note.signatures:
        if (line.name, line.key_id) == (key.name, key.key_id):
            signature = encode_base64(line.signature)
            check_signature(agreement, vkey, signature)
            return signature
    raise AccessForbidden(
        f"{agreement.by} did not sign it", next_step=f"sign it with the key of {key.name}"
    )


def check_signature(agreement: Agreement, vkey: str, signature: str) -> None:
    """Raise AccessForbidden where the key did not sign this."""
    message = agreement_note(agreement).text.encode()
    if not _key_of(agreement.by, vkey).accepts(message, decode_base64(signature) or b""):
        raise AccessForbidden(
            f"{agreement.by} did not sign this: the signature is not good",
            next_step="sign anew, with the key that the charter names",
        )


def _key_of(staff: str, vkey: str) -> Verifier:
    try:
        return Verifier.parse(vkey)
    except DomicileError:
        raise AccessForbidden(
            f"the rules name no key of {staff}", next_step="name it in the charter"
        ) from None
