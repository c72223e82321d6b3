"""boto3, configured for every S3-compatible store, with its failures as our errors.

No aws-chunked bodies and no checksum trailers (OCI and others reject them); control requests with a
body carry Content-MD5, which every store takes; pages of listings are read by `s3_pages`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, TypedDict, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ParamValidationError,
)
from botocore.handlers import _handle_200_error  # type: ignore[attr-defined] # not in the stubs
from botocore.parsers import ResponseParserError

from domicile.errors import SiteRefused
from domicile.sites.objects.s3_errors import answered, unreachable
from domicile.sites.objects.s3_pages import NotAListing, Page, parse_objects, parse_versions

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from types_boto3_s3 import S3Client

    from domicile.sites.objects.s3_connection import Bucket

__all__ = ["client_for", "code_of", "page_of", "site_errors", "status_of"]

_PAGE = "DomicilePage"  # a listing's `Page`, in the place of what boto3 would make of it
_LISTINGS = {"ListObjectVersions": parse_versions, "ListObjectsV2": parse_objects}
_ATTEMPTS = 4
_DOCUMENTS = {
    "DeleteObjects": b"<DeleteResult",
    "GetBucketAcl": b"<AccessControlPolicy",
    "GetBucketLifecycleConfiguration": b"<LifecycleConfiguration",
    "GetBucketLogging": b"<BucketLoggingStatus",
    "GetBucketOwnershipControls": b"<OwnershipControls",
    "GetBucketReplication": b"<ReplicationConfiguration",
    "GetBucketVersioning": b"<VersioningConfiguration",
    "GetObjectLockConfiguration": b"<ObjectLockConfiguration",
    "GetPublicAccessBlock": b"PublicAccessBlockConfiguration",
    "GetObjectTagging": b"<Tagging",
    "ListMultipartUploads": b"<ListMultipartUploadsResult",
    "ListParts": b"<ListPartsResult",
}


class _RequestParts(TypedDict):
    """What botocore is about to send."""

    context: dict[str, object]
    headers: dict[str, str]
    body: bytes


def client_for(bucket: Bucket) -> S3Client:
    """A client for the bucket's endpoint."""
    with _turn:
        client = _make_client(bucket)
    for operation in ("DeleteObjects", "PutObjectTagging"):
        client.meta.events.register(f"before-call.s3.{operation}", _sign_with_md5)
    client.meta.events.register("before-parse.s3", _require_document)
    # botocore looks for an error under a 200 by parsing the document, before anybody else's turn.
    client.meta.events.unregister("before-parse.s3.*", _handle_200_error)
    client.meta.events.register_first("before-parse.s3.*", _read_page)
    return client


_turn = Lock()  # a session makes one client at a time


@cache
def _session() -> boto3.session.Session:
    """No keys are in it. It reads botocore's models of S3, which takes a while, once."""
    return boto3.session.Session()


def _make_client(bucket: Bucket) -> S3Client:
    return _session().client(
        "s3",
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=bucket.secret_key,
        region_name=bucket.region,
        endpoint_url=bucket.endpoint,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=bucket.timeout_s,
            read_timeout=bucket.timeout_s,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies={},
        ),
    )


def _sign_with_md5(params: _RequestParts, **_: object) -> None:
    params["context"].pop("checksum", None)
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


def _require_document(
    operation_model: OperationModel, response_dict: Mapping[str, object], **_: object
) -> None:
    """boto3 reads any 200 as an empty answer: a web page would be an empty bucket."""
    expected = _DOCUMENTS.get(operation_model.name)
    body, status = response_dict["body"], response_dict["status_code"]
    if not expected or status != 200 or not isinstance(body, bytes) or expected in body[:4096]:
        return
    # Ceph RGW answers with nothing for the tags of a multipart object that has none.
    if body or operation_model.name != "GetObjectTagging":
        raise ResponseParserError(f"no {expected.decode()} in the answer")


def _read_page(
    operation_model: OperationModel,
    response_dict: MutableMapping[str, object],
    customized_response_dict: MutableMapping[str, object],
    **_: object,
) -> None:
    """What is no page is left to botocore, which tries again where it is an error, or half of
    one."""
    parse = _LISTINGS.get(operation_model.name)
    body, status = response_dict["body"], response_dict["status_code"]
    if parse and status == 200 and isinstance(body, bytes):
        with contextlib.suppress(NotAListing):
            customized_response_dict[_PAGE] = parse(body)
            response_dict["body"] = b""  # nothing is left to be read
            return
    _handle_200_error(operation_model, response_dict)


def page_of(answer: object) -> Page:
    """What a listing answered with. Raises ResponseParserError where that was no page."""
    page = cast("dict[str, object]", answer).get(_PAGE)
    if not isinstance(page, Page):
        raise ResponseParserError("no page of a listing in the answer")
    return page


def code_of(error: ClientError) -> str:
    """The error's code, as the server sent it."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def site_errors(site: str, doing: str) -> Iterator[None]:
    """Raise `SiteUnreachable`, `SiteRefused` or `SiteMissing` for what boto3 raises."""
    try:
        yield
    except ClientError as error:
        raise answered(site, doing, status_of(error), code_of(error)) from error
    except ParamValidationError as error:
        raise SiteRefused(f"site {site}: {doing} failed: the request is not valid S3") from error
    except ResponseParserError as error:
        raise SiteRefused(
            f"site {site}: {doing} failed: the answer is not S3's",
            expected="an S3-compatible store at the endpoint",
            next_step="check the endpoint",
        ) from error
    except BotoCoreError as error:
        raise unreachable(site, doing, type(error).__name__) from error
