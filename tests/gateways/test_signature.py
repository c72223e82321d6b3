"""What botocore signs is taken, whatever the key; whatever is changed afterwards is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.request import S3Request, read_request
from domicile.gateways.s3.signature import check_signature, read_signature

KEY, SECRET = "c-abcdefghijklm", "a-secret-of-nobody"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
KEYS = st.lists(st.one_of(TEXT, st.sampled_from(["", "..", "%2F", "a b", "+", "é"])), min_size=1)


def signed(
    path: str,
    parameters: dict[str, str] | None = None,
    *,
    presigned: int = 0,
    headers: dict[str, str] | None = None,
    method: str = "GET",
) -> tuple[str, bytes, bytes, dict[str, str]]:
    """A request as botocore signs it: method, raw path, query, headers."""
    query = "&".join(f"{quote(n, '')}={quote(v, '')}" for n, v in (parameters or {}).items())
    url = f"http://home.example:8751{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, headers=headers or {})
    request.context["payload_signing_enabled"] = False
    credentials = Credentials(KEY, SECRET)
    if presigned:
        S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=presigned).add_auth(request)
    else:
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    sent = request.prepare()
    parts = urlsplit(sent.url)
    told = {name.lower(): _text(value) for name, value in sent.headers.items()}
    return method, parts.path.encode(), parts.query.encode(), {"host": parts.netloc, **told}


def _text(value: Any) -> str:  # noqa: ANN401 - botocore's headers are text or bytes
    return value.decode() if isinstance(value, bytes) else str(value)


def received(
    method: str, path: bytes, query: bytes, headers: dict[str, str], *domains: str
) -> S3Request:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return read_request(method, path, query, pairs, domains)


def check(request: S3Request, secret: str = SECRET, after: timedelta = timedelta()) -> None:
    check_signature(request, read_signature(request, datetime.now(UTC) + after), secret)


@given(KEYS, st.dictionaries(TEXT, TEXT, max_size=3), st.sampled_from([0, 600]))
def test_what_botocore_signs_is_good_and_the_key_means_itself(
    names: list[str], parameters: dict[str, str], presigned: int
) -> None:
    key = "/".join(names)
    path = f"/drafts/{quote(key, '/-_.~')}"
    request = received(*signed(path, parameters, presigned=presigned))
    assert (request.bucket, request.key) == ("drafts", key)
    for name, value in parameters.items():
        assert (name, value) in request.query
    check(request)
    with pytest.raises(S3Fault) as raised:
        check(request, secret=SECRET + "x")
    assert raised.value.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("presigned", [0, 600])
@pytest.mark.parametrize("what", ["method", "key", "parameter", "host", "signature", "date"])
def test_whatever_is_changed_afterwards_is_refused(what: str, presigned: int) -> None:
    method, path, query, headers = signed("/drafts/a%2Fb", {"prefix": "a"}, presigned=presigned)
    match what:
        case "method":
            method = "HEAD"
        case "key":
            path = b"/drafts/a%2Fc"
        case "parameter":
            query = query.replace(b"prefix=a", b"prefix=b")
        case "host":
            headers["host"] = "other.example"
        case "signature" if presigned:
            query = query[:-1] + (b"0" if query[-1:] != b"0" else b"1")
        case "signature":
            last = headers["authorization"][-1]
            headers["authorization"] = headers["authorization"][:-1] + "01"[last == "0"]
        case _ if presigned:
            query = query.replace(b"X-Amz-Expires=600", b"X-Amz-Expires=700")
        case _:
            moment = datetime.now(UTC) + timedelta(seconds=3)
            headers["x-amz-date"] = f"{moment:%Y%m%dT%H%M%SZ}"
    with pytest.raises(S3Fault) as raised:
        check(received(method, path, query, headers))
    assert raised.value.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("presigned", "after", "code"),
    [
        (0, timedelta(minutes=14), None),
        (0, timedelta(minutes=-14), None),
        (0, timedelta(minutes=16), "RequestTimeTooSkewed"),
        (0, timedelta(minutes=-16), "RequestTimeTooSkewed"),
        (600, timedelta(seconds=590), None),
        (600, timedelta(seconds=601), "AccessDenied"),
        (600, timedelta(minutes=-16), "AccessDenied"),
        (3600, timedelta(), None),
        (3601, timedelta(), "AuthorizationQueryParametersError"),
    ],
)
def test_it_is_good_for_its_time(presigned: int, after: timedelta, code: str | None) -> None:
    request = received(*signed("/drafts/key", presigned=presigned))
    if code is None:
        check(request, after=after)
        return
    with pytest.raises(S3Fault) as raised:
        check(request, after=after)
    assert raised.value.code == code


def test_a_header_that_changes_meaning_must_be_signed() -> None:
    method, path, query, headers = signed("/drafts/key")
    headers["x-amz-copy-source"] = "/others/key"
    with pytest.raises(S3Fault, match="leaves out: x-amz-copy-source"):
        check(received(method, path, query, headers))
    check(received(*signed("/drafts/key", headers={"x-amz-request-payer": "requester  twice"})))


def _changed(change: dict[str, str | None]) -> S3Request:
    method, path, query, headers = signed("/drafts/key")
    for name, value in change.items():
        if value is None:
            del headers[name]
        else:
            headers[name] = value
    return received(method, path, query, headers)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"authorization": None}, "AccessDenied"),
        ({"authorization": "Bearer domicile_x"}, "AuthorizationHeaderMalformed"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a"}, "AuthorizationHeaderMalformed"),
        ({"authorization": "AWS " + KEY + ":sig"}, "InvalidRequest"),
        ({"x-amz-date": None}, "AuthorizationHeaderMalformed"),
        ({"x-amz-date": "20269999T999999Z"}, "AuthorizationHeaderMalformed"),
        ({"x-amz-content-sha256": None}, "MissingSecurityHeader"),
        ({"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, "NotImplemented"),
        ({"x-amz-security-token": "token"}, "NotImplemented"),
    ],
)
def test_what_is_no_signature_is_told_so(change: dict[str, str | None], code: str) -> None:
    with pytest.raises(S3Fault) as raised:
        check(_changed(change))
    assert raised.value.code == code


@given(st.text(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_what_nobody_signed_is_refused_and_breaks_nothing(
    authorization: str, path: bytes, query: bytes
) -> None:
    headers = [
        (b"host", b"home.example"),
        (b"authorization", authorization.encode("utf-8", "surrogatepass")),
        (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
    ]
    with pytest.raises(S3Fault):
        check(read_request("GET", b"/" + path, query, headers, ("localhost",)))


def test_a_bucket_may_be_the_hosts_first_label() -> None:
    method, path, query, headers = signed("/a//b")
    headers["host"] = "drafts.localhost:8751"
    request = received(method, path, query, headers, "localhost")
    assert (request.bucket, request.key) == ("drafts", "a//b")
    headers["host"] = "localhost:8751"
    request = received(method, path, query, headers, "localhost")
    assert (request.bucket, request.key) == ("a", "/b")


@pytest.mark.parametrize(
    ("path", "hosts", "code"),
    [
        (b"http://elsewhere/drafts/key", [b"home.example"], "InvalidURI"),
        (b"/drafts/key", [], "InvalidURI"),
        (b"/drafts/key", [b"a.example", b"b.example"], "InvalidURI"),
        (b"/drafts/%ff", [b"home.example"], "InvalidURI"),
        (b"/drafts/" + b"k" * 1025, [b"home.example"], "KeyTooLongError"),
        (b"/drafts/" + "é".encode() * 513, [b"home.example"], "KeyTooLongError"),
    ],
)
def test_what_names_nothing_is_refused(path: bytes, hosts: list[bytes], code: str) -> None:
    with pytest.raises(S3Fault) as raised:
        read_request("GET", path, b"", [(b"host", host) for host in hosts], ())
    assert raised.value.code == code
