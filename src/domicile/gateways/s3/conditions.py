"""Whether a conditional read is answered. Pure.

Source: RFC 9110, section 13; Amazon S3 API reference, "GetObject".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime

from domicile.gateways.s3.faults import S3Fault

__all__ = ["check_conditions"]


def check_conditions(conditions: Iterable[tuple[str, str]], etag: str, modified: datetime) -> None:
    """Raise S3Fault, `PreconditionFailed` or `NotModified`, where an object with this ETag (without
    quotes), modified then (whole seconds), is not to be given out. Dates that can't be read, and
    those of the future, condition nothing."""
    asked = dict(conditions)
    if "if-match" in asked:
        if not _names(asked["if-match"], etag):
            raise S3Fault("PreconditionFailed", "the object has another ETag")
    elif _is_later(modified, asked.get("if-unmodified-since")):
        raise S3Fault("PreconditionFailed", "the object was modified since")
    if "if-none-match" in asked:
        if _names(asked["if-none-match"], etag):
            raise _same(etag)
    elif _is_later(modified, asked.get("if-modified-since")) is False:
        raise _same(etag)


def _names(header: str, etag: str) -> bool:
    named = {part.strip().removeprefix("W/").strip('"') for part in header.split(",")}
    return "*" in named or etag in named


def _is_later(modified: datetime, than: str | None) -> bool | None:
    """None where nothing is asked."""
    if than is None:
        return None
    try:
        return modified > parsedate_to_datetime(than)
    except (ValueError, TypeError):
        return None


def _same(etag: str) -> S3Fault:
    return S3Fault("NotModified", "the object is the same", (("etag", f'"{etag}"'),))
