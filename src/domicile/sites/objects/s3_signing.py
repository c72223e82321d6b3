"""AWS Signature Version 4 for requests of one bucket: what a request must say to be believed. Pure.

As "Authenticating Requests: Using the Authorization Header" of Amazon's S3 reference has it: the
path is taken as it is sent, and every header that is handed in is signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["EMPTY_SHA256", "Signer"]

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs for one access key, region and host (with its port, where that is not the scheme's)."""

    def __init__(self, access_key: str, secret_key: str, region: str, host: str) -> None:
        self._access_key = access_key
        self._region = region
        self._host = host
        # A key a day: it depends on nothing else of a request.
        self._key = lru_cache(maxsize=2)(lambda day: _signing_key(secret_key, day, region))

    def sign(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body_sha256: str,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """The headers to send, signed. path and query are encoded as they will be sent; names of
        headers are lower case. now: UTC, for tests."""
        moment = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        signed = {
            **headers,
            "host": self._host,
            "x-amz-content-sha256": body_sha256,
            "x-amz-date": moment,
        }
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
        request = f"{method}\n{path}\n{_canonical(query)}\n{lines}\n{listed}\n{body_sha256}"
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
        signature = hmac.digest(self._key(moment[:8]), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={self._access_key}/{scope},"
            f" SignedHeaders={listed}, Signature={signature}"
        )
        return signed


def _canonical(query: str) -> str:
    """Parameters in the order of their names; one without a value has an empty one."""
    parts = (part.partition("=") for part in query.split("&") if part)
    return "&".join(sorted(f"{name}={value}" for name, _, value in parts))


def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
