"""AWS Signature Version 4, in headers and in presigned URLs. Pure: the time comes from outside.

Invariants:
- What is signed is what came: path and query are decoded once, and encoded as S3 says.
- The host and every ``x-amz-`` header that is there must be signed.
- `read_signature` believes nothing: it says which key to look up. `check_signature` decides, in
  constant time.

Source: Amazon S3 API reference, "Authenticating requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.request import S3Request

__all__ = ["EMPTY_SHA256", "UNSIGNED", "Signature", "check_signature", "read_signature"]

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
EMPTY_SHA256: Final = sha256(b"").hexdigest()
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SCOPE = re.compile(r"([^/\s]{1,128})/(\d{8})/([A-Za-z0-9-]{1,64})/s3/aws4_request\Z")
_NAMES = re.compile(r"[a-z0-9_.-]+(?:;[a-z0-9_.-]+)*\Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}\Z")
_TIME = re.compile(r"\d{8}T\d{6}Z\Z")
_SECONDS = re.compile(r"[0-9]{1,6}\Z")
_SPACES = re.compile(r" +")
_UNRESERVED: Final = "-_.~"  # and letters and digits, which `quote` never touches
_SKEW: Final = timedelta(minutes=15)
_LONGEST: Final = timedelta(hours=1)
_PRESIGNED: Final = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of its signature. access_key: the key's id. payload: the body's SHA-256
    in hex, or `UNSIGNED`. is_presigned: it came in the URL."""

    access_key: str
    date: str
    region: str
    time: str
    headers: tuple[str, ...]
    signature: str
    payload: str
    is_presigned: bool


def read_signature(request: S3Request, now: datetime) -> Signature:
    """The signature of a request that is of now. Raises S3Fault where there is none, or it is
    malformed, too old, too new, or leaves a header out that it must cover."""
    in_header, in_url = bool(request.header("authorization")), "X-Amz-Signature" in request.names
    if in_header and in_url:
        raise S3Fault("InvalidArgument", "the request is signed twice: in a header and its URL")
    if "AWSAccessKeyId" in request.names or request.header("authorization").startswith("AWS "):
        raise S3Fault(
            "InvalidRequest",
            "signature version 2 is not supported: use AWS4-HMAC-SHA256 (signature_version s3v4)",
        )
    if not in_header and not in_url:
        raise S3Fault("AccessDenied", "the request is not signed: nobody is served unnamed")
    if request.header("x-amz-security-token") or "X-Amz-Security-Token" in request.names:
        raise S3Fault("NotImplemented", "session tokens: use an access key without one")
    found = _in_header(request, now) if in_header else _in_url(request, now)
    missing = {n for n, _ in request.headers if n == "host" or n.startswith("x-amz-")}
    missing -= set(found.headers)
    if missing:
        names = ", ".join(sorted(missing))
        raise S3Fault("AccessDenied", f"there were headers that the signature leaves out: {names}")
    return found


def _in_header(request: S3Request, now: datetime) -> Signature:
    algorithm, _, rest = request.header("authorization").partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if algorithm != _ALGORITHM or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
        raise _malformed("an `Authorization` of Signature Version 4", presigned=False)
    payload = request.header("x-amz-content-sha256")
    if not payload:
        raise S3Fault("MissingSecurityHeader", "x-amz-content-sha256 is missing")
    found = _read(parts, request.header("x-amz-date"), payload, presigned=False)
    if abs(now - _moment(found.time)) > _SKEW:
        raise S3Fault(
            "RequestTimeTooSkewed",
            f"the request is of {found.time}, and it is {now:%Y%m%dT%H%M%SZ}: set the clock",
        )
    return found


def _in_url(request: S3Request, now: datetime) -> Signature:
    parts = {name: request.parameter(f"X-Amz-{name}") or "" for name in _PRESIGNED}
    if parts["Algorithm"] != _ALGORITHM or not _SECONDS.match(parts["Expires"]):
        raise _malformed("X-Amz-Algorithm, X-Amz-Expires and the others", presigned=True)
    payload = request.header("x-amz-content-sha256", UNSIGNED)
    found = _read(parts, parts["Date"], payload, presigned=True)
    life = timedelta(seconds=int(parts["Expires"]))
    if not timedelta(0) < life <= _LONGEST:
        raise S3Fault(
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires is from 1 to {int(_LONGEST.total_seconds())} seconds here",
        )
    start = _moment(found.time)
    if now < start - _SKEW or now >= start + life:
        raise S3Fault("AccessDenied", f"the URL was good from {found.time}, for {life}")
    return found


def _read(parts: dict[str, str], time: str, payload: str, *, presigned: bool) -> Signature:
    scope, names = _SCOPE.match(parts["Credential"]), parts["SignedHeaders"]
    if scope is None or not _NAMES.match(names) or not _SIGNATURE.match(parts["Signature"]):
        raise _malformed("KEY/DATE/REGION/s3/aws4_request, names and 64 digits", presigned)
    if not _TIME.match(time) or scope[2] != time[:8]:
        raise _malformed("x-amz-date, and its day in the credential", presigned)
    if payload != UNSIGNED and not _SIGNATURE.match(payload):
        raise S3Fault("NotImplemented", "bodies that are signed in chunks, or not by SHA-256")
    headers = tuple(names.split(";"))
    if list(headers) != sorted(set(headers)):
        raise _malformed("signed headers in their order, each once", presigned)
    return Signature(
        scope[1], scope[2], scope[3], time, headers, parts["Signature"], payload, presigned
    )


def _moment(time: str) -> datetime:
    try:
        return datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Fault("InvalidArgument", "x-amz-date names a time that there is not") from None


def check_signature(request: S3Request, signed: Signature, secret: str) -> None:
    """Raise S3Fault where this secret did not make the signature of this request."""
    text = "\n".join(
        (
            _ALGORITHM,
            signed.time,
            f"{signed.date}/{signed.region}/s3/aws4_request",
            sha256(_canonical(request, signed)).hexdigest(),
        )
    )
    key = f"AWS4{secret}".encode()
    for part in (signed.date, signed.region, "s3", "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), signed.signature):
        raise S3Fault(
            "SignatureDoesNotMatch",
            "the signature is not the one of this request and this key: check the secret",
        )


def _canonical(request: S3Request, signed: Signature) -> bytes:
    """The canonical request. What of the URL signs it is not signed itself."""
    pairs = sorted(
        (quote(name, _UNRESERVED), quote(value, _UNRESERVED))
        for name, value in request.query
        if not (signed.is_presigned and name == "X-Amz-Signature")
    )
    headers = (f"{n}:{_SPACES.sub(' ', request.header(n))}\n" for n in signed.headers)
    return "\n".join(
        (
            request.method,
            quote(unquote_to_bytes(request.path), f"/{_UNRESERVED}"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(headers),
            ";".join(signed.headers),
            signed.payload,
        )
    ).encode("latin-1")


def _malformed(expected: str, presigned: bool) -> S3Fault:  # noqa: FBT001 - which of the two
    code = "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed"
    return S3Fault(code, f"the signature is malformed; expected: {expected}")
