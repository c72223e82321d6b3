"""Attesting: somebody responsible signs a statement about what no scan could examine.

What they sign is a text that names the ledger, the place, how many items were not examined there,
until when it holds, and the statement's SHA-256: a statement about one place cannot be passed off
as one about another, nor made to last. Deciding is pure; `record_attestation` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from hashlib import sha256

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domicile.charter import Attester, attester_key
from domicile.errors import UsageError
from domicile.inventory import Estate, Evidence, Run, digest_under, write_bytes
from domicile.scan.entries import Attested

__all__ = [
    "LARGEST_STATEMENT_BYTES",
    "Attestation",
    "attestation",
    "attester_of",
    "is_signed",
    "record_attestation",
]

LARGEST_STATEMENT_BYTES = 16 << 20
_FORMAT = "domicile attestation 1"
_SIGNATURE_BYTES = 64


class Attestation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an attester signs, as one line of canonical JSON (RFC 8785). ledger is the log's name;
    dataset is empty where none fits; items is -1 where nobody could count; until is the last day
    (UTC) on which it counts."""

    format: str
    ledger: str
    boundary: str
    site: str
    dataset: str
    items: int
    until: date
    attester: str
    statement_sha256: str

    def text(self) -> bytes:
        """The very bytes to sign."""
        return rfc8785.dumps(msgspec.to_builtins(self)) + b"\n"


def attestation(  # noqa: PLR0913 - what is signed, by name
    estate: Estate,
    unexamined: Mapping[tuple[str, str], int],
    *,
    site: str,
    dataset: str,
    attester: str,
    until: date,
    today: date,
    statement: bytes,
) -> Attestation:
    """What would be signed. unexamined: what the latest scan left so, by site and dataset.

    Raises UsageError: a site or dataset where everything was examined, an attester whom the
    charter does not name, an end that has passed, a statement that is empty or too large.
    """
    if (site, dataset) not in unexamined:
        raise _nothing_there(unexamined, site, dataset)
    attester_of(estate, attester)
    if until < today:
        raise UsageError(
            f"the statement holds until {until}, which has passed",
            expected=f"{today} or later",
            next_step="have a new one signed",
        )
    if not 0 < len(statement) <= LARGEST_STATEMENT_BYTES:
        raise UsageError(
            "the statement is empty" if not statement else "the statement is too large",
            expected=f"1 to {LARGEST_STATEMENT_BYTES:,} bytes",
            next_step="check that this is the file; keep scans of paper small",
        )
    return Attestation(
        format=_FORMAT,
        ledger=estate.charter.ledger_origin,
        boundary=estate.boundary_name,
        site=site,
        dataset=dataset,
        items=unexamined[site, dataset],
        until=until,
        attester=attester,
        statement_sha256=sha256(statement).hexdigest(),
    )


def is_signed(text: bytes, signature: bytes, attester: Attester) -> bool:
    """Whether this attester's key made this signature (Ed25519, RFC 8032) over the text."""
    key = attester_key(attester.key)
    if key is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def record_attestation(
    estate: Estate,
    evidence: Evidence,
    run: Run,
    made: Attestation,
    files: tuple[bytes, bytes],
) -> Attested:
    """Keep the statement and its signature (``files``) and record them. run: the scan that could
    not examine what it is about.

    Raises UsageError, and keeps nothing, where the attester did not sign exactly this.
    """
    statement, signature = files
    attester, text = attester_of(estate, made.attester), made.text()
    fits = len(signature) == _SIGNATURE_BYTES
    if not fits or not is_signed(text, signature, attester):
        raise UsageError(
            f"this is not the signature of {made.attester} over this statement, place, number of"
            " items and end"
            if fits
            else f"the signature has {len(signature):,} bytes",
            expected="64 bytes of Ed25519, made with the key whose public half the charter has",
            next_step="write the text out anew (the same command without --signature) and have it"
            " signed",
        )
    # By the signature, too: the same text may be signed again with another key.
    directory, name = estate.records / "attestations", sha256(text + signature).hexdigest()
    kept = {
        directory / f"{made.statement_sha256}.statement": statement,
        directory / f"{name}.json": text,
        directory / f"{name}.sig": signature,
    }
    for path, data in kept.items():
        write_bytes(path, data)
    body = Attested(
        run=run.id,
        boundary=made.boundary,
        site=made.site,
        dataset=made.dataset,
        items=made.items,
        attester=made.attester,
        role=attester.role,
        until=made.until.isoformat(),
        statement_sha256=made.statement_sha256,
        files=tuple(digest_under(path, estate.records) for path in kept),
    )
    evidence.record(body)
    return body


def attester_of(estate: Estate, name: str) -> Attester:
    """Who may sign, by their name in the charter. Raises UsageError where it names none so."""
    known = estate.charter.attesters
    if name not in known:
        raise UsageError(
            f"the charter names no attester {name!r}",
            expected=", ".join(known) or "an [attesters.NAME] with a role and a key",
            next_step="name one with --attester, or have the charter name them",
        )
    return known[name]


def _nothing_there(
    unexamined: Mapping[tuple[str, str], int], site: str, dataset: str
) -> UsageError:
    places = [f"--site {name}" + (f" --dataset {of}" if of else "") for name, of in unexamined]
    what = f"dataset {dataset!r}" if dataset else "what fits no dataset"
    return UsageError(
        f"the latest scan left nothing unexamined of {what} at {site!r}",
        expected="; ".join(places) or "nothing: it examined everything",
        next_step="name what was not examined, as `domicile status` shows it",
    )
