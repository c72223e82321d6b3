"""Credentials: a token is shown once. What it is good for the ledger says, with the digest of its
secret: nobody passes for its holder by writing to a database."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_bytes

import msgspec

from domicile.errors import AccessForbidden, BadToken
from domicile.ledger import time_text
from domicile.policy.desk import Desk, new_id, now_text
from domicile.policy.entries import CredentialEnded, CredentialIssued
from domicile.policy.questions import Caller

__all__ = ["authenticate", "end_credential", "issue_token"]

_TOKEN = re.compile(r"domicile_(c-[a-z2-7]{13})_([a-z2-7]{52})\Z")
_SECRET_BYTES = 32


def issue_token(
    desk: Desk, staff: str, until: datetime, *, by: str, second_factor: bool
) -> tuple[str, str]:
    """Make a token for a staff member: its credential's name, and the token itself, which nobody
    can show again. Raises AccessForbidden."""
    name, secret = new_id("c"), b32encode(token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
    digest, end = sha256(secret.encode()).hexdigest(), time_text(until)
    desk.record(
        CredentialIssued(desk.boundary, by, name, staff, "token", digest, second_factor, end)
    )
    return name, f"domicile_{name}_{secret}"


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
    kept = known.issued.secret_sha256 if known is not None else ""
    same = hmac.compare_digest(kept, sha256(secret.encode()).hexdigest())
    if not (parts and same):
        raise _wrong()
    try:
        issued = standing.credential(name, now_text()).issued
    except AccessForbidden as error:
        raise BadToken(error.failed, next_step=error.next_step) from None
    return Caller(issued.staff, country, issued.second_factor, name)


def _wrong() -> BadToken:
    next_step = "ask for a new one: `domicile staff credential`"
    return BadToken("the token is not good", next_step=next_step)
