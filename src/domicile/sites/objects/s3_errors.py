"""What an S3 server's answer means, as one of our errors. Pure.

Only the status and the error's code are read: a body is hostile, and may quote what we sent.
"""

from __future__ import annotations

import re

from domicile.errors import SiteError, SiteMissing, SiteRefused, SiteUnreachable

__all__ = ["ABSENT", "NOT_THERE", "answered", "error_code", "is_transient", "unreachable"]

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
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


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
        return SiteRefused(
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
