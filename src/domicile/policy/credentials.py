"""Credentials: a token is shown once, its secret kept as a digest. Good is what the ledger says."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_bytes

import msgspec
import sqlalchemy as sa

from domicile.errors import AccessForbidden, BadToken
from domicile.ledger import time_text
from domicile.policy.desk import Desk, new_id, now_text
from domicile.policy.entries import CredentialEnded, CredentialIssued
from domicile.policy.questions import Caller
from domicile.state import SECRETS, State

__all__ = ["authenticate", "end_credential", "issue_token"]

_TOKEN = re.compile(r"domicile_(c-[a-z2-7]{13})_([a-z2-7]{52})\Z")
_SECRET_BYTES = 32


def issue_token(
    desk: Desk, state: State, staff: str, until: datetime, *, by: str, second_factor: bool
) -> tuple[str, str]:
    """Make a token for a staff member: its credential's name, and the token itself, which nobody
    can show again. Raises AccessForbidden."""
    name, secret = new_id("c"), b32encode(token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
    desk.check(
        issued := CredentialIssued(
            desk.boundary, by, name, staff, "token", second_factor, time_text(until)
        )
    )
    with state.begin() as connection:
        digest = sha256(secret.encode()).digest()
        connection.execute(
            SECRETS.insert().values(boundary=desk.boundary, credential=name, sha256=digest)
        )
    desk.record(issued)
    return name, f"domicile_{name}_{secret}"


def end_credential(
    desk: Desk, state: State, name: str, *, by: str, after: timedelta = timedelta()
) -> None:
    """End a credential at once, or, of one that is good, once this has passed. Raises
    AccessForbidden."""
    if after:
        now = datetime.now(UTC)
        issued = desk.standing.credential(name, time_text(now)).issued
        end = time_text(now + after)
        if end < issued.until:
            desk.record(msgspec.structs.replace(issued, by=by, until=end))
        return
    desk.record(CredentialEnded(desk.boundary, by, name))
    with state.begin() as connection:
        connection.execute(SECRETS.delete().where(*_at(desk.boundary, name)))


def authenticate(desk: Desk, state: State, token: str, country: str) -> Caller:
    """Who shows this token, connecting from this country. Raises AccessForbidden, which says of a
    wrong token no more than that it is wrong."""
    parts = _TOKEN.match(token)
    name, secret = parts.groups() if parts else ("", "")
    with state.begin() as connection:
        query = sa.select(SECRETS.c.sha256).where(*_at(desk.boundary, name))
        kept = connection.execute(query).scalar() or bytes(32)
    same = hmac.compare_digest(kept, sha256(secret.encode()).digest())
    if not (parts and same):
        raise _wrong()
    try:
        issued = desk.standing.credential(name, now_text()).issued
    except AccessForbidden as error:
        raise BadToken(error.failed, next_step=error.next_step) from None
    return Caller(issued.staff, country, issued.second_factor, name)


def _at(boundary: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return SECRETS.c.boundary == boundary, SECRETS.c.credential == name


def _wrong() -> BadToken:
    next_step = "ask for a new one: `domicile staff credential`"
    return BadToken("the token is not good", next_step=next_step)
