"""Reading certificates: hostile until the ledger's key is seen to have signed them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from domicile.erase import Certificate, Certified, pae
from domicile.erase.certificate import PAYLOAD_TYPE
from domicile.errors import EvidenceError
from domicile.ledger import Entry
from domicile.ledger.keys import Verifier
from domicile.report.model import CertificateView

__all__ = ["open_envelope", "read_certificates"]


class _Signature(msgspec.Struct):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct):
    payloadType: str  # noqa: N815 - DSSE's own spelling
    payload: str
    signatures: tuple[_Signature, ...]


def read_certificates(
    records: Path, vkey: str, entries: Sequence[Entry]
) -> tuple[CertificateView, ...]:
    """The last certificate of each site that these entries name, in site order.

    Raises EvidenceError where one is missing or cannot be read at all.
    """
    last = {e.body.site: e for e in entries if isinstance(e.body, Certified)}
    return tuple(
        _read(records, vkey, e, e.body)
        for _, e in sorted(last.items())
        if isinstance(e.body, Certified)
    )


def open_envelope(data: bytes, verifier: Verifier) -> tuple[Certificate, str, list[str]]:
    """A certificate out of its DSSE envelope, its signer's key id, and what is wrong with the
    signature. Raises EvidenceError where it is no certificate."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        certificate = msgspec.json.decode(payload, type=Certificate)
        signatures = [
            (signature.keyid, base64.b64decode(signature.sig, validate=True))
            for signature in envelope.signatures
        ]
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise _unreadable("a certificate is not one of ours") from error
    message = pae(envelope.payloadType, payload)
    good = [key for key, signature in signatures if verifier.accepts(message, signature)]
    problems = [] if good else ["the ledger's key did not sign it"]
    if envelope.payloadType != PAYLOAD_TYPE:
        problems.append("its envelope says that it is something else")
    keys = good or [key for key, _ in signatures]
    return certificate, keys[0] if keys else "", problems


def _read(records: Path, vkey: str, entry: Entry, body: Certified) -> CertificateView:
    if len(body.files) != 1:
        raise _unreadable(f"the ledger names {len(body.files)} files as one certificate")
    (file,) = body.files
    try:
        data = (records / file.path).read_bytes()
    except OSError as error:
        raise _unreadable(f"the certificate of {body.site} cannot be read") from error
    certificate, key_id, problems = open_envelope(data, Verifier.parse(vkey))
    if hashlib.sha256(data).hexdigest() != file.sha256:
        problems.append("its file is not the one that the ledger names")
    said = (certificate.run, certificate.site, certificate.complete)
    if said != (body.run, body.site, body.complete):
        problems.append("it says something else than the ledger")
    issued = entry.time.isoformat(timespec="seconds")
    return CertificateView(certificate, file.path, file.sha256, key_id, issued, tuple(problems))


def _unreadable(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="the signed file that the ledger names",
        next_step="run `domicile ledger verify`, then restore the file",
    )
