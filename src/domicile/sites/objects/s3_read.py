"""Reading one object version: attributes, tags, and bytes that survive a broken connection."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlencode

import aiohttp

from domicile.errors import SiteRefused, SourceChanged
from domicile.sites.objects.model import ObjectRead
from domicile.sites.objects.s3_connection import EAGER_BYTES, Connection
from domicile.sites.objects.s3_errors import unreachable
from domicile.sites.objects.s3_headers import attributes_of

__all__ = ["Tagged", "open_version", "version_query"]

_RESUMES = 4


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
    connection: Connection, site: str, key: str, version_id: str | None
) -> tuple[ObjectRead, aiohttp.ClientResponse]:
    """Open a version, without its tags; also returns the response, for its headers."""
    doing = f"reading {key!r}"
    query = version_query(version_id)
    response = await connection.send("GET", key, doing, query=query)
    size = response.content_length
    if size is None:
        response.close()
        raise SiteRefused(
            f"site {site}: {doing} failed: the answer does not say how long the object is",
            expected="a Content-Length header",
        )
    found = response.headers.get("x-amz-version-id", "null")
    chunks = _Chunks(connection, site, key, query, response)
    return ObjectRead(attributes_of(response.headers, ()), size, found, chunks), response


class _Chunks:
    """An object's bytes, once. A connection that breaks is taken up again where it broke, if the
    store still has the same ETag and version there."""

    def __init__(
        self,
        connection: Connection,
        site: str,
        key: str,
        query: str,
        response: aiohttp.ClientResponse,
    ) -> None:
        self._connection = connection
        self._site = site
        self._key = key
        self._query = query
        self._response = response
        self._size = response.content_length or 0
        self._identity = _identity(response)
        self._position = 0
        self._resumes = 0

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        if self._position >= self._size:
            self._response.release()
            raise StopAsyncIteration
        chunk = await self._next()
        self._position += len(chunk)
        return chunk

    async def _next(self) -> bytes:
        if self._size <= EAGER_BYTES:
            return await self._response.read()
        while True:
            try:
                return await _some(self._response, self._size - self._position)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._response.close()
                self._resumes += 1
                if self._resumes > _RESUMES:
                    raise unreachable(
                        self._site, f"reading {self._key!r}", "the connection broke repeatedly"
                    ) from error
            self._response = await self._resumed()

    async def _resumed(self) -> aiohttp.ClientResponse:
        await asyncio.sleep(0.2 * self._resumes)
        response = await self._connection.send(
            "GET",
            self._key,
            f"reading {self._key!r}",
            query=self._query,
            headers={"range": f"bytes={self._position}-"},
        )
        begins = f"bytes {self._position}-{self._size - 1}/{self._size}"
        if response.headers.get("content-range") != begins or (
            _identity(response) != self._identity
        ):
            response.close()
            raise SourceChanged(
                f"site {self._site}: {self._key!r} changed while it was read",
                expected="the version that the read began with",
                next_step="scan the site again",
            )
        return response

    def __del__(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and so is the connection
            self._response.close()


async def _some(response: aiohttp.ClientResponse, left: int) -> bytes:
    """What has arrived, at least one byte (the session's read_bufsize bounds how much)."""
    part = await response.content.readany()
    if not part or len(part) > left:
        raise aiohttp.ClientPayloadError
    return part


def _identity(response: aiohttp.ClientResponse) -> tuple[str | None, str | None]:
    return response.headers.get("etag"), response.headers.get("x-amz-version-id")
