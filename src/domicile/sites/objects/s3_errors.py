"""What an S3 server's answer means, as one of our errors. Pure.

Only the status and the error's code are read: a body is hostile, and may quote what we sent.
"""

from __future__ import annotations

import re

from domicile.errors import (
    ObjectWithheld,
    SiteError,
    SiteMissing,
    SiteRefused,
    SiteUnreachable,
)

__all__ = [
    "ABSENT",
    "NOT_THERE",
    "AccessDenied",
    "answered",
    "answered_get",
    "error_code",
    "is_transient",
    "unreachable",
]

ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", "405", "MethodNotAllowed"})
NOT_THERE = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405", "UnsupportedOperation"})
_TRANSIENT = frozenset(
    {"InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown"}
)
_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_FULL = frozenset(
    {"QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "InsufficientStorage"}
)
_CREDENTIALS = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}
)
_UNDER_A_KEY = frozenset({"InvalidRequest", "InvalidArgument"})
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


class AccessDenied(SiteRefused):
    """These credentials may not do this; whether to this object alone is not known yet."""


def error_code(status: int, body: bytes) -> str:
    """The error's code in an S3 error document, or the status as text."""
    match = _CODE.search(body[:4096])
    return match[1].decode() if match else str(status)


def is_transient(status: int, code: str) -> bool:
    """Whether the same request may well succeed a little later."""
    return code not in _FULL and (status in _TRANSIENT_STATUS or code in _TRANSIENT)


def unreachable(site: str, doing: str, why: str) -> SiteUnreachable:
    """The site gave no usable answer, after every retry."""
    return SiteUnreachable(
        f"site {site}: {doing} failed: {why}",
        expected="an answer from the endpoint within the site's timeout_s",
        next_step="check the endpoint and the network, then try again",
    )


def answered_get(site: str, doing: str, status: int, code: str) -> SiteError:
    """The error for an answer to a GET of an object that says no: `ObjectWithheld` where it is
    there, and not to be read.

    S3 answers InvalidObjectState for an archive class (Amazon S3 API, GetObject), and 400 with
    InvalidRequest or InvalidArgument (Ceph) for SSE-C without its key, where the request has
    nothing else that could be invalid.
    """
    what = f"site {site}: {doing} failed: {code} (HTTP {status})"
    if code == "InvalidObjectState":
        return ObjectWithheld(
            f"{what}: it lies in an archive class",
            expected="an object in a class that can be read at once",
            next_step="restore it at the store, for longer than the move takes, then scan again",
        )
    if code.startswith("KMS.") or (status == 400 and code in _UNDER_A_KEY):
        return ObjectWithheld(
            f"{what}: it is encrypted under a key that is not here",
            expected="an object that the store can decrypt for this access key",
            next_step="have the key's holder write it anew without that key, then scan again",
        )
    return answered(site, doing, status, code)


def answered(site: str, doing: str, status: int, code: str) -> SiteError:
    """The error for an answer that says no."""
    what = f"site {site}: {doing} failed: {code} (HTTP {status})"
    if code == "NoSuchBucket":
        return SiteMissing(
            what,
            expected="the bucket that the site's url names",
            next_step="create the bucket or correct the site's url",
        )
    if is_transient(status, code):
        return unreachable(site, doing, f"{code} (HTTP {status})")
    if code in _CREDENTIALS or (status in (401, 403) and code not in _FULL):
        return (AccessDenied if code == "AccessDenied" else SiteRefused)(
            what,
            expected="credentials that may do this",
            next_step="check the access key, the secret, the region, the clock and the policy",
        )
    if status in (404, 405) or code in ABSENT:
        return SiteMissing(what, next_step="scan again if the site has changed since")
    return SiteRefused(what, next_step=_next_step(status, code))


def _next_step(status: int, code: str) -> str:
    if status == 507 or code in _FULL:
        return "free space or raise the quota"
    if 300 <= status < 400:
        return "name the bucket's own endpoint and region"
    return "see whether the store supports the request"
