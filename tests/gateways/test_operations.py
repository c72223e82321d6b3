"""What a request asks for: all of it, or it is not implemented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.gateways.s3.conditions import check_conditions
from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.operations import (
    GetBucketLocation,
    GetObject,
    HeadBucket,
    ListBuckets,
    ListObjects,
    Operation,
    Range,
    read_operation,
    token_of,
)
from domicile.gateways.s3.purpose import read_purpose
from domicile.gateways.s3.request import S3Request, read_request
from tests.gateways.test_listing import NOW


def request(target: str, method: str = "GET", **headers: str) -> S3Request:
    path, _, query = target.encode().partition(b"?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    return read_request(method, path, query, [(b"host", b"home.example"), *pairs], ())


def got(key: str, overrides: tuple[tuple[str, str], ...], *, is_head: bool) -> GetObject:
    return GetObject("b", key, is_head, None, overrides, ())


@pytest.mark.parametrize(
    ("target", "method", "expected"),
    [
        ("/", "GET", ListBuckets()),
        ("/b", "HEAD", HeadBucket("b")),
        ("/b/", "HEAD", HeadBucket("b")),
        ("/b?location", "GET", GetBucketLocation("b")),
        ("/b", "GET", ListObjects("b", 1, "", "", "", "", 1000, is_encoded=False)),
        (
            "/b?list-type=2&prefix=p%2F&delimiter=/&max-keys=7&encoding-type=url&start-after=s",
            "GET",
            ListObjects("b", 2, "p/", "/", "s", "", 7, is_encoded=True),
        ),
        (
            f"/b?list-type=2&start-after=s&continuation-token={token_of('é')}",
            "GET",
            ListObjects("b", 2, "", "", "é", "", 1000, is_encoded=False),
        ),
        ("/b?marker=m", "GET", ListObjects("b", 1, "", "", "m", "m", 1000, is_encoded=False)),
        ("/b?max-keys=5000", "GET", ListObjects("b", 1, "", "", "", "", 1000, is_encoded=False)),
        ("/b//k/?x-id=GetObject", "GET", got("/k/", (), is_head=False)),
        ("/b/k", "HEAD", got("k", (), is_head=True)),
        (
            "/b/k?response-content-type=text/plain",
            "GET",
            got("k", (("content-type", "text/plain"),), is_head=False),
        ),
    ],
)
def test_what_is_asked_for(target: str, method: str, expected: Operation) -> None:
    assert read_operation(request(target, method)) == expected


@pytest.mark.parametrize(
    ("target", "method", "code"),
    [
        ("/b/k", "PUT", "NotImplemented"),
        ("/b/k", "DELETE", "NotImplemented"),
        ("/b/k?uploads", "POST", "NotImplemented"),
        ("/b/k?versionId=v", "GET", "NotImplemented"),
        ("/b/k?partNumber=1", "GET", "NotImplemented"),
        ("/b/k?tagging", "GET", "NotImplemented"),
        ("/b?acl", "GET", "NotImplemented"),
        ("/b?versions", "GET", "NotImplemented"),
        ("/b?location&acl", "GET", "NotImplemented"),
        ("/b?list-type=3", "GET", "InvalidArgument"),
        ("/b?max-keys=-1", "GET", "InvalidArgument"),
        ("/b?prefix=a&prefix=b", "GET", "InvalidArgument"),
        ("/b?list-type=2&continuation-token=%00", "GET", "InvalidArgument"),
        ("/b?list-type=2&continuation-token=_w==", "GET", "InvalidArgument"),
        ("/b?encoding-type=xml", "GET", "InvalidArgument"),
        ("/b/k?response-content-type=a%0d%0ab", "GET", "InvalidArgument"),
    ],
)
def test_what_is_not_done_is_said(target: str, method: str, code: str) -> None:
    with pytest.raises(S3Fault) as raised:
        read_operation(request(target, method))
    assert raised.value.code == code


def test_a_body_or_a_customers_key_is_refused() -> None:
    for headers in (
        {"content_length": "3"},
        {"transfer_encoding": "chunked"},
        {"x_amz_server_side_encryption_customer_algorithm": "AES256"},
        {"if_range": "x"},
    ):
        with pytest.raises(S3Fault):
            read_operation(request("/b/k", **headers))


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=2-", 10, (2, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=5-99", 10, (5, 10)),
        ("bytes=10-", 10, None),
        ("bytes=-0", 10, None),
        ("bytes=0-", 0, None),
    ],
)
def test_ranges_are_within_the_object(
    header: str, size: int, expected: tuple[int, int] | None
) -> None:
    operation = read_operation(request("/b/k", range=header))
    assert isinstance(operation, GetObject)
    assert operation.range is not None
    if expected is None:
        with pytest.raises(S3Fault) as raised:
            operation.range.within(size)
        assert raised.value.code == "InvalidRange"
        assert raised.value.headers == (("content-range", f"bytes */{size}"),)
    else:
        span = operation.range.within(size)
        assert (span.start, span.end) == expected


@given(st.text(max_size=30))
def test_a_range_that_is_none_means_the_whole(text: str) -> None:
    header = f"bytes={text}".encode("utf-8", "surrogatepass").decode("latin-1")
    found = read_operation(request("/b/k", range=header))
    assert isinstance(found, GetObject)
    if found.range is not None:
        Range(found.range.first, found.range.last)
        assert text.replace("-", "").isdigit()


THEN, LATER = "Fri, 02 Jan 2026 00:00:00 GMT", "Sat, 03 Jan 2026 00:00:00 GMT"
EARLIER = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({}, None),
        ({"if-match": '"e"'}, None),
        ({"if-match": '"x", "e"'}, None),
        ({"if-match": "*"}, None),
        ({"if-match": '"x"'}, "PreconditionFailed"),
        ({"if-match": '"e"', "if-unmodified-since": EARLIER}, None),
        ({"if-unmodified-since": EARLIER}, "PreconditionFailed"),
        ({"if-unmodified-since": THEN}, None),
        ({"if-none-match": '"e"'}, "NotModified"),
        ({"if-none-match": "*"}, "NotModified"),
        ({"if-none-match": '"x"', "if-modified-since": LATER}, None),
        ({"if-modified-since": THEN}, "NotModified"),
        ({"if-modified-since": EARLIER}, None),
        ({"if-modified-since": "yesterday"}, None),
    ],
)
def test_conditions_are_kept_to(conditions: dict[str, str], code: str | None) -> None:
    if code is None:
        check_conditions(conditions.items(), "e", NOW)
        return
    with pytest.raises(S3Fault) as raised:
        check_conditions(conditions.items(), "e", NOW)
    assert raised.value.code == code


def test_a_purpose_is_said_in_a_header_the_url_the_agent_or_by_the_key() -> None:
    agent = "Boto3/1 domicile-purpose/legal domicile-ticket/T-1"
    asked = request("/b/k?x-domicile-purpose=engineering", user_agent=agent)
    assert read_purpose(asked, ("moderation", "K")) == ("engineering", "T-1")
    header = request("/b/k", user_agent=agent, x_domicile_purpose="engineering")
    assert read_purpose(header, ("", "")) == ("engineering", "T-1")
    assert read_purpose(request("/b/k"), ("moderation", "K")) == ("moderation", "K")
    with pytest.raises(S3Fault, match="no purpose is said"):
        read_purpose(request("/b/k"), ("", ""))
    for wrong in ("Engineering!", "a" * 70, "a\u00e9"):
        with pytest.raises(S3Fault):
            read_purpose(request("/b/k", x_domicile_purpose=wrong), ("", ""))
