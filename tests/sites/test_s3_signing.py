"""Our signatures against botocore's, which signs with the same algorithm."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from domicile.sites.objects.s3_headers import host_of, key_path
from domicile.sites.objects.s3_signing import EMPTY_SHA256, Signer

NOW = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)


class _WithDigest(S3SigV4Auth):
    def payload(self, request: AWSRequest) -> str:
        return str(request.context["digest"])


def botocore_signs(
    method: str, endpoint: str, path: str, query: str, headers: dict[str, str], digest: str
) -> str:
    url = f"{endpoint}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers=dict(headers))
    request.context["digest"] = digest
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        _WithDigest(Credentials("AKID", "secret/+ key"), "s3", "us-ashburn-1").add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:7480", "https://s3.example:443"])
@pytest.mark.parametrize("key", ["a//b", "/a", "..", "ü %2F+~*'()", "x" * 1024])
@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [
        ("GET", "", {}),
        ("GET", "versionId=a.b%2Fc%3D", {"range": "bytes=5-"}),
        ("POST", "uploads=", {"content-type": "text/plain"}),
        (
            "PUT",
            "uploadId=2~x&partNumber=10",
            {"x-amz-meta-a": "  two   words ü ", "cache-control": "x"},
        ),
    ],
)
def test_signatures_are_those_that_botocore_makes(
    endpoint: str, key: str, method: str, query: str, headers: dict[str, str]
) -> None:
    digest = hashlib.sha256(b"body").hexdigest() if method == "PUT" else EMPTY_SHA256
    path = key_path("bucket", key)
    signer = Signer("AKID", "secret/+ key", "us-ashburn-1", host_of(endpoint))
    signed = signer.sign(method, path, query, headers, digest, NOW)
    expected = botocore_signs(method, endpoint, path, query, headers, digest)
    assert signed["authorization"] == expected


def test_a_signature_covers_the_body_and_the_day() -> None:
    signer = Signer("AKID", "secret", "us-east-1", "host")
    one = signer.sign("PUT", "/b/k", "", {}, EMPTY_SHA256, NOW)
    other_body = signer.sign("PUT", "/b/k", "", {}, "0" * 64, NOW)
    other_day = signer.sign("PUT", "/b/k", "", {}, EMPTY_SHA256, NOW.replace(day=27))
    assert len({s["authorization"] for s in (one, other_body, other_day)}) == 3
