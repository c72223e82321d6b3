"""Credentials: a token is shown once; a certificate is made elsewhere, and its key never here; of
an S3 access key custody keeps the secret, wrapped: signatures are checked with it. What each is
good for the ledger says, with its digest: nobody passes for its holder by writing to a database."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_bytes

import msgspec

from domicile.custody.keys import Keys
from domicile.custody.subjects import credential_subject
from domicile.errors import AccessForbidden, BadToken
from domicile.ledger import time_text
from domicile.policy.certificates import Certificate
from domicile.policy.desk import Desk, new_id, now_text
from domicile.policy.entries import CredentialEnded, CredentialIssued, CredentialPurposeSet
from domicile.policy.questions import Caller

__all__ = [
    "authenticate",
    "end_credential",
    "holder_of",
    "issue_s3_key",
    "issue_token",
    "register_certificate",
    "s3_secret",
    "set_purpose",
    "signer_of",
]

_TOKEN = re.compile(r"domicile_(c-[a-z2-7]{13})_([a-z2-7]{52})\Z")
_SECRET_BYTES = 32


def issue_token(
    desk: Desk, staff: str, until: datetime, *, by: str, second_factor: bool
) -> tuple[str, str]:
    """Make a token for a staff member: its credential's name, and the token itself, which nobody
    can show again. Raises AccessForbidden."""
    name, secret = new_id("c"), _text(token_bytes(_SECRET_BYTES))
    digest, end = _digest(secret), time_text(until)
    desk.record(
        CredentialIssued(desk.boundary, by, name, staff, "token", digest, second_factor, end)
    )
    return name, f"domicile_{name}_{secret}"


def issue_s3_key(
    desk: Desk, keys: Keys, staff: str, until: datetime, *, by: str, second_factor: bool
) -> tuple[str, str]:
    """Make an S3 access key for a staff member: its id, which is its credential's name, and its
    secret, one of the boundary's keys, which goes with them when they are wrapped anew. Raises
    AccessForbidden."""
    desk.standing.member(staff)
    name = new_id("c")
    subject = credential_subject(name)
    secret = _text(keys.of([subject])[subject])
    digest, end = _digest(secret), time_text(until)
    desk.record(
        CredentialIssued(desk.boundary, by, name, staff, "s3-key", digest, second_factor, end)
    )
    return name, secret


def s3_secret(desk: Desk, keys: Keys, name: str) -> str:
    """The secret of an S3 access key that the ledger knows, good or not. Raises BadToken where
    there is none, or custody's is not the one that was issued."""
    known = desk.standing.credentials.get(name)
    if known is not None and known.issued.form == "s3-key":
        subject = credential_subject(name)
        found = keys.known([subject]).get(subject)
        if found is not None and _digest(_text(found)) == known.issued.secret_sha256:
            return _text(found)
    raise BadToken(
        "the access key is not good",
        next_step="ask for a new one: `domicile staff credential --s3-key`",
    )


def set_purpose(desk: Desk, name: str, purpose: str, ticket: str, *, by: str) -> None:
    """Say what a credential is for where its holder says nothing. Raises AccessForbidden."""
    desk.record(CredentialPurposeSet(desk.boundary, by, name, purpose, ticket))


def signer_of(desk: Desk, name: str, country: str) -> tuple[Caller, tuple[str, str]]:
    """Who has this S3 access key, with whose secret a request proved to be signed, connecting from
    this country; and what the key is for: purpose and ticket, each empty where that is nothing.
    Raises BadToken where it is not good any more."""
    caller = _good(desk, name, country)
    credential = desk.standing.credentials[name]
    return caller, (credential.purpose, credential.ticket)


def register_certificate(
    desk: Desk,
    staff: str,
    certificate: Certificate,
    until: datetime,
    *,
    by: str,
    second_factor: bool,
) -> str:
    """Make a certificate a credential of a staff member, until then and no longer than it is good
    itself: the credential's name. Raises AccessForbidden."""
    name, end = new_id("c"), time_text(min(until, certificate.until))
    desk.record(
        CredentialIssued(
            desk.boundary, by, name, staff, "certificate", certificate.sha256, second_factor, end
        )
    )
    return name


def end_credential(desk: Desk, name: str, *, by: str, after: timedelta = timedelta()) -> None:
    """End a credential at once, or, of one that is good, once this has passed. Raises
    AccessForbidden."""
    if not after:
        desk.record(CredentialEnded(desk.boundary, by, name))
        return
    now = datetime.now(UTC)
    issued = desk.standing.credential(name, time_text(now)).issued
    end = time_text(now + after)
    if end < issued.until:
        desk.record(msgspec.structs.replace(issued, by=by, until=end))


def authenticate(desk: Desk, token: str, country: str) -> Caller:
    """Who shows this token, connecting from this country. Raises AccessForbidden, which says of a
    wrong token no more than that it is wrong."""
    parts = _TOKEN.match(token)
    name, secret = parts.groups() if parts else ("", "")
    standing = desk.standing
    known = standing.credentials.get(name)
    is_token = known is not None and known.issued.form == "token"
    kept = known.issued.secret_sha256 if known is not None and is_token else ""
    same = hmac.compare_digest(kept, _digest(secret))
    if not (parts and same):
        raise _wrong()
    return _good(desk, name, country)


def holder_of(desk: Desk, certificate: Certificate, country: str) -> Caller:
    """Who has this certificate, whose key the connection proved, connecting from this country.
    Raises BadToken where it is nobody's, or not good any more."""
    name = desk.standing.certificates.get(certificate.sha256)
    if name is None:
        raise BadToken(
            "the certificate is nobody's",
            next_step="have it registered: `domicile staff credential --certificate`",
        )
    return _good(desk, name, country)


def _good(desk: Desk, name: str, country: str) -> Caller:
    standing, now = desk.standing, now_text()
    issued = standing.credentials[name].issued
    try:
        standing.credential(name, now)
    except AccessForbidden as error:
        is_over = standing.credentials[name].is_over(now)
        desk.turn_away(issued.staff, "credential-over" if is_over else "staff-not-active", name)
        raise BadToken(error.failed, next_step=error.next_step) from None
    return Caller(issued.staff, country, issued.second_factor, name)


def _text(secret: bytes) -> str:
    return b32encode(secret).decode().rstrip("=").lower()


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _wrong() -> BadToken:
    next_step = "ask for a new one: `domicile staff credential`"
    return BadToken("the token is not good", next_step=next_step)
