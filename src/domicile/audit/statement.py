"""What an audit says: a JSON document in a DSSE envelope, signed by the auditor's key. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

import msgspec

from domicile.erase.certificate import pae
from domicile.errors import EvidenceError

__all__ = [
    "AUDIT_TYPE",
    "AuditStatement",
    "Audited",
    "Outcome",
    "SiteSeen",
    "read_statement",
    "signed_parts",
]

AUDIT_TYPE = "application/vnd.domicile.audit+json"

Outcome = Literal["equal", "sealed", "different", "absent", "still there", "not readable"]


class SiteSeen(msgspec.Struct, frozen=True):
    """What was seen of a shard at one site. ``home``: read again and compared with what was proven
    there; ``source``: looked for where the ledger says that it was erased. items were asked for;
    as_said of them are as the records say: equal at home, absent at a source; sealed ones are at
    home under the id that was proven, and were not opened; unlike are different, missing, or still
    there; unread could not be read. reason: of the first that is not as said."""

    site: str
    part: Literal["home", "source"]
    items: int
    as_said: int
    sealed: int
    unlike: int
    unread: int
    reason: str = ""

    @property
    def outcome(self) -> Outcome:
        """In a word, the worst first."""
        if self.unlike:
            return "different" if self.part == "home" else "still there"
        if self.unread:
            return "not readable"
        if self.part == "source":
            return "absent"
        return "sealed" if self.sealed else "equal"

    @property
    def holds(self) -> bool:
        """Whether it is as the records say, and all of it could be read."""
        return not (self.unlike or self.unread)


class Audited(msgspec.Struct, frozen=True):
    """One chosen shard, by its run and name; verified_sha256 is that of the file of its last proof,
    as the ledger names it, proven the time of that entry (UTC)."""

    run: str
    shard: str
    kind: Literal["rows", "objects"]
    verified_sha256: str
    proven: str
    seen: tuple[SiteSeen, ...]


class AuditStatement(msgspec.Struct, frozen=True):
    """An audit. ledger_root: of the checkpoint that chose, in hex, which is given whole, with its
    signatures; shards: how many there were to choose from, whose list has this SHA-256; rule says
    how they were chosen. holds: everything chosen is as the records say, and could be read."""

    format: str
    boundary: str
    auditor: str
    tool: str
    began: str
    ended: str
    ledger_origin: str
    ledger_size: int
    ledger_root: str
    checkpoint: str
    rule: str
    shards: int
    shards_sha256: str
    chosen: tuple[Audited, ...]
    holds: bool


class _Signature(msgspec.Struct):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct):
    payloadType: str  # noqa: N815 - DSSE's own spelling
    payload: str
    signatures: tuple[_Signature, ...]


def signed_parts(data: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """The message that was signed, the payload in it, and the signatures. Raises EvidenceError
    where this is no statement of an audit."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(s.sig, validate=True) for s in envelope.signatures]
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise _no_statement() from error
    if envelope.payloadType != AUDIT_TYPE:
        raise _no_statement()
    return pae(envelope.payloadType, payload), payload, signatures


def read_statement(payload: bytes) -> AuditStatement:
    """The statement in an envelope's payload. Raises EvidenceError where it is none."""
    try:
        return msgspec.json.decode(payload, type=AuditStatement)
    except msgspec.MsgspecError as error:
        raise _no_statement() from error


def _no_statement() -> EvidenceError:
    return EvidenceError(
        "this is no statement of an audit",
        expected="the file that `domicile audit run` wrote",
        next_step="have the file sent again",
    )
