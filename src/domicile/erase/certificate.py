"""The certificate of a site's erasure: the fields of NIST SP 800-88 Rev. 2 section 4.6 that
apply to what software can do, in a DSSE envelope. Pure.

It claims what was done and checked, in the site's own terms, and says what was not: deleting rows
and object versions is partial sanitisation (section 4.2): the medium itself is the provider's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Literal

import msgspec
import rfc8785

from domicile.erase.held import HeldItems

__all__ = [
    "PAYLOAD_TYPE",
    "Certificate",
    "Check",
    "Erased",
    "Lack",
    "Verifier",
    "certificate_id",
    "envelope",
    "pae",
]

PAYLOAD_TYPE = "application/vnd.domicile.erasure+json"

Lack = Literal["failed", "held", "not proven", "remaining", "not examined", "not rewritten"]


class Erased(msgspec.Struct, frozen=True):
    """What became of one dataset: rows, versions, markers or uploads, by state. held and failed
    ones are still there. bytes are the erased ones'."""

    dataset: str
    kind: str
    erased: int
    reduced: int
    failed: int
    held: int
    bytes: int


class Check(msgspec.Struct, frozen=True):
    """Something that was looked at afterwards, and what was seen; or (passed is None) something
    that was not checked, and why."""

    what: str
    result: str
    passed: bool | None


class Verifier(msgspec.Struct, frozen=True):
    """Who verified or validates. Empty fields are for the person who signs the printed form."""

    role: str
    name: str
    title: str = ""
    date: str = ""
    location: str = ""
    contact: str = ""


class Certificate(msgspec.Struct, frozen=True):
    """One site's erasure. ledger_size and ledger_root name the tree head under which every entry
    it rests on is found. held items are still there and readable. lacking: what keeps it from being
    complete; complete means that nothing failed, nothing is held or remains and nothing that was
    looked for was left unexamined."""

    format: str
    id: str
    boundary: str
    custodian: str
    company: str
    run: str
    charter_sha256: str
    tool: str
    issued: str
    site: str
    site_kind: str
    site_place: str
    country: str
    provider: str
    media_type: str
    sanitization_method: str
    technique: str
    items: tuple[Erased, ...]
    verification_method: str
    checks: tuple[Check, ...]
    held: tuple[HeldItems, ...]
    remains: tuple[str, ...]
    verifiers: tuple[Verifier, ...]
    ledger_origin: str
    ledger_size: int
    ledger_root: str
    complete: bool
    lacking: tuple[Lack, ...]


def envelope(
    certificate: msgspec.Struct,
    key_id: str,
    sign: Callable[[bytes], bytes],
    payload_type: str = PAYLOAD_TYPE,
) -> dict[str, object]:
    """The certificate as a DSSE envelope (github.com/secure-systems-lab/dsse), its payload
    canonical JSON."""
    payload = rfc8785.dumps(msgspec.to_builtins(certificate))
    signature = sign(pae(payload_type, payload))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def certificate_id(run: str, site: str, ledger_root: str) -> str:
    """A short name for one certificate."""
    return hashlib.sha256(f"{run}/{site}/{ledger_root}".encode()).hexdigest()[:16]
