"""Writing a shred's certificate, signed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

import domicile
from domicile.custody.entries import BoundaryKeyDestroyed, ShredCondemned
from domicile.custody.root import RootKey
from domicile.custody.shreds import Shred
from domicile.erase.certificate import Check, Verifier, certificate_id, envelope
from domicile.erase.shred_certificate import (
    KNOWN_COPIES,
    NOT_COVERED,
    SHRED_TYPE,
    ShredCertificate,
)
from domicile.erase.unreadable import Unreadable
from domicile.inventory import Estate, Evidence, write_bytes

__all__ = ["certify_shred"]

_FORMAT = "domicile shred certificate 1"
_METHOD = (
    "cryptographic erase of what is sealed: each person's key was wrapped by the boundary's key,"
    " and that by the root; the persons' wrapped keys were deleted, everybody else's were brought"
    " under a new key of the boundary, and every older one was destroyed with the versions of the"
    " root that could unwrap it"
)


def certify_shred(
    estate: Estate, evidence: Evidence, root: RootKey, shred: Shred, scrubbed: str, path: Path
) -> None:
    """Sign the certificate of a shred of which the ledger has every destruction. scrubbed: what was
    done to the state database's files."""
    (condemned,) = [b for b in evidence.of(ShredCondemned) if b.request == shred.id][-1:]
    destroyed = _destroyed(evidence, condemned)
    size, tree = evidence.head()
    document = ShredCertificate(
        format=_FORMAT,
        id=certificate_id("shred", shred.id, tree),
        boundary=estate.boundary_name,
        custodian=estate.boundary.custodian,
        company=estate.charter.company.name,
        request=shred.id,
        persons=shred.persons,
        pseudonyms_sha256=condemned.files[0].sha256,
        charter_sha256=estate.loaded.sha256,
        tool=f"domicile {domicile.__version__}",
        issued=datetime.now(UTC).isoformat(timespec="seconds"),
        sanitization_method=_METHOD,
        unreadable=msgspec.convert(shred.unreadable, tuple[Unreadable, ...]),
        root=root.label,
        root_versions=tuple(sorted({v for body in destroyed for v in body.root_versions})),
        boundary_versions=tuple(sorted({body.boundary_version for body in destroyed})),
        root_proves=tuple(dict.fromkeys(body.proves for body in destroyed)),
        root_weaknesses=root.weaknesses(),
        checks=_checks(root, destroyed, scrubbed),
        known_copies=KNOWN_COPIES,
        not_covered=NOT_COVERED,
        verifiers=(
            Verifier("verification", f"domicile {domicile.__version__}", "software"),
            Verifier("validation", "", ""),
        ),
        ledger_origin=estate.charter.ledger_origin,
        ledger_size=size,
        ledger_root=tree,
    )
    signed = envelope(document, evidence.signer.vkey, evidence.signer.sign, SHRED_TYPE)
    write_bytes(path, msgspec.json.format(msgspec.json.encode(signed)))


def _destroyed(evidence: Evidence, condemned: ShredCondemned) -> list[BoundaryKeyDestroyed]:
    """The destructions that the ledger has behind the condemnation, one a version."""
    found = {}
    for body in evidence.after(condemned):
        if isinstance(body, BoundaryKeyDestroyed) and body.boundary == condemned.boundary:
            found[body.boundary_version] = body
    wanted = (
        each for each in found.values() if each.boundary_version <= condemned.boundary_version
    )
    return list(wanted)


def _checks(
    root: RootKey, destroyed: list[BoundaryKeyDestroyed], scrubbed: str
) -> tuple[Check, ...]:
    gone = {version for body in destroyed for version in body.root_versions}
    left = sorted(gone & set(root.versions()))
    listed = ", ".join(map(str, left))
    return (
        Check("the root lists none of the destroyed versions", listed or "none", passed=not left),
        Check("the state database", scrubbed, passed=None),
        Check("the sealed objects at home read again", "not done", passed=None),
    )
