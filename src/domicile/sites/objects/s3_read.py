"""Reading one object version: attributes, tags, and bytes that survive a broken connection."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp

from domicile.errors import SiteRefused, SourceChanged
from domicile.sites.objects.model import ObjectRead, Span
from domicile.sites.objects.s3_connection import EAGER_BYTES, Connection
from domicile.sites.objects.s3_errors import unreachable
from domicile.sites.objects.s3_headers import attributes_of

__all__ = ["Tagged", "open_version", "version_query"]

_RESUMES = 4
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")


class Tagged:
    """Whether an answer without ``x-amz-tagging-count`` means that there are no tags.

    True of the servers known to send it (Ceph RGW, Amazon S3, MinIO) and of any that sent it
    once; every other server is asked for the tags of each object.
    """

    def __init__(self) -> None:
        self._server_counts = False

    def may_have_tags(self, response: aiohttp.ClientResponse) -> bool:
        """Look at one answer to a GET."""
        count = response.headers.get("x-amz-tagging-count")
        if count is not None:
            self._server_counts = True
            return count != "0"
        return not (self._server_counts or _is_known_to_count(response))


def _is_known_to_count(response: aiohttp.ClientResponse) -> bool:
    server = response.headers.get("server", "")
    return "x-rgw-object-type" in response.headers or server.startswith(("AmazonS3", "MinIO"))


def version_query(version_id: str | None) -> str:
    """The query that names a version."""
    return "" if version_id is None else urlencode({"versionId": version_id})


async def open_version(
    connection: Connection, site: str, key: str, version_id: str | None, span: Span | None
) -> tuple[ObjectRead, aiohttp.ClientResponse]:
    """Open a version, or a span of it, without its tags; also returns the response, for its
    headers."""
    doing = f"reading {key!r}"
    query = version_query(version_id)
    headers = {"range": f"bytes={span.start}-{span.end - 1}"} if span else {}
    response = await connection.send("GET", key, doing, query=query, headers=headers)
    try:
        size, modified = _size(response, span), _modified(response)
    except ValueError as error:
        response.close()
        raise SiteRefused(
            f"site {site}: {doing} failed: it is not told how long the object is, or of when"
            + (", or is not the span that was asked for" if span else ""),
            expected="Content-Length and Last-Modified"
            + (", and ranges that are kept to" if span else ""),
        ) from error
    found = response.headers.get("x-amz-version-id", "null")
    wanted = _Wanted(key, query, span.start if span else 0, min(span.end, size) if span else size)
    chunks = _Chunks(connection, site, wanted, response, size)
    etag = response.headers.get("etag", "")
    attributes = attributes_of(response.headers, ())
    return ObjectRead(attributes, size, found, etag, modified, chunks), response


def _size(response: aiohttp.ClientResponse, span: Span | None) -> int:
    """The whole object's size. Raises ValueError where the answer is not what was asked for."""
    length = response.content_length
    if span is None:
        if length is None:
            raise ValueError(response.headers)
        return length
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None:
        raise ValueError(response.headers)
    first, last, size = map(int, match.groups())
    if (first, last) != (span.start, min(span.end, size) - 1) or length != last - first + 1:
        raise ValueError(response.headers)
    return size


def _modified(response: aiohttp.ClientResponse) -> datetime:
    """Raises ValueError where the answer does not tell it."""
    return parsedate_to_datetime(response.headers.get("last-modified", ""))


class _Wanted(NamedTuple):
    """Of a key, the bytes from start to end (exclusive). query: the version, if it was named."""

    key: str
    query: str
    start: int
    end: int


class _Chunks:
    """An object's bytes, or a span of them, once. A connection that breaks is taken up again where
    it broke, if the store still has the same ETag and version there."""

    def __init__(
        self,
        connection: Connection,
        site: str,
        wanted: _Wanted,
        response: aiohttp.ClientResponse,
        size_bytes: int,
    ) -> None:
        self._connection = connection
        self._site = site
        self._wanted = wanted
        self._response = response
        self._size = size_bytes
        self._identity = _identity(response)
        self._position = wanted.start
        self._resumes = 0

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        if self._position >= self._wanted.end:
            self._response.release()
            raise StopAsyncIteration
        chunk = await self._next()
        self._position += len(chunk)
        return chunk

    async def _next(self) -> bytes:
        while True:
            try:
                return await _some(self._response, self._wanted.end - self._position)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._response.close()
                self._resumes += 1
                if self._resumes > _RESUMES:
                    raise unreachable(
                        self._site,
                        f"reading {self._wanted.key!r}",
                        "the connection broke repeatedly",
                    ) from error
            self._response = await self._resumed()

    async def _resumed(self) -> aiohttp.ClientResponse:
        await asyncio.sleep(0.2 * self._resumes)
        response = await self._connection.send(
            "GET",
            self._wanted.key,
            f"reading {self._wanted.key!r}",
            query=self._wanted.query,
            headers={"range": f"bytes={self._position}-{self._wanted.end - 1}"},
        )
        begins = f"bytes {self._position}-{self._wanted.end - 1}/{self._size}"
        if response.headers.get("content-range") != begins or (
            _identity(response) != self._identity
        ):
            response.close()
            raise SourceChanged(
                f"site {self._site}: {self._wanted.key!r} changed while it was read",
                expected="the version that the read began with",
                next_step="scan the site again",
            )
        return response

    def __del__(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and so is the connection
            self._response.close()


async def _some(response: aiohttp.ClientResponse, left: int) -> bytes:
    """What has arrived, at least one byte (the session's read_bufsize bounds how much)."""
    is_short = (response.content_length or 0) <= EAGER_BYTES  # then it came with its head
    part = await (response.read() if is_short else response.content.readany())
    if not part or len(part) > left:
        raise aiohttp.ClientPayloadError
    return part


def _identity(response: aiohttp.ClientResponse) -> tuple[str | None, str | None]:
    return response.headers.get("etag"), response.headers.get("x-amz-version-id")
