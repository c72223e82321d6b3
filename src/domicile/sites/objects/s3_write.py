"""Writing one object: a single PUT up to a little more than one part, a multipart upload above.

Every PUT holds its whole body (9 MiB at most, or one part) in memory, so that it can be sent again.
Part sizes grow with the object, because S3 has at most 10,000 parts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from domicile.errors import DomicileError, SiteRefused, SourceChanged
from domicile.sites.objects.s3_connection import Connection
from domicile.sites.objects.s3_errors import answered, error_code, unreachable

__all__ = ["PART_BYTES", "is_single_put", "part_size", "write_object"]

PART_BYTES = 8 << 20
_SINGLE_BYTES = 9 << 20  # a part and a bit, as what is sealed has, is not worth four requests
_MAX_PARTS = 10_000
_PARTS_IN_FLIGHT = 2
_ABORT_TIMEOUT_S = 30.0


async def write_object(
    connection: Connection,
    site: str,
    key: str,
    chunks: AsyncIterator[bytes],
    headers: Mapping[str, str],
    size_bytes: int,
) -> str:
    """Write an object and return its version id (``"null"`` where the store names none).

    Raises `SourceChanged` where ``chunks`` is not ``size_bytes`` long; then nothing is stored.
    """
    part_bytes = part_size(size_bytes)
    parts = _parts(site, key, chunks, size_bytes, part_bytes)
    if not is_single_put(size_bytes):
        return await _Multipart(connection, site, key).write(parts, headers)
    body = b"".join([part async for part in parts])
    response = await connection.send("PUT", key, f"writing {key!r}", headers=headers, body=body)
    return response.headers.get("x-amz-version-id", "null")


def is_single_put(size_bytes: int) -> bool:
    """Whether an object of this size goes in one PUT."""
    return size_bytes <= _SINGLE_BYTES


def part_size(size_bytes: int) -> int:
    """Bytes of each part but the last, whole MiB: as few as let 10,000 parts hold the object. An
    object of 48.8 TiB, the most that any S3 takes, has parts of 5 GiB, the largest there are."""
    smallest = -(-size_bytes // _MAX_PARTS)
    return max(PART_BYTES, -(-smallest // (1 << 20)) << 20)


async def _parts(
    site: str, key: str, chunks: AsyncIterator[bytes], size_bytes: int, part_bytes: int
) -> AsyncIterator[bytes]:
    """The bytes in parts of one size, the last shorter; an empty object is one empty part."""
    buffer: list[bytes] = []
    held = received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > size_bytes:
            break
        buffer.append(chunk)
        held += len(chunk)
        while held >= part_bytes and received < size_bytes:
            joined = buffer[0] if len(buffer) == 1 else b"".join(buffer)
            yield joined[:part_bytes]
            buffer, held = [joined[part_bytes:]], held - part_bytes
    if received != size_bytes:
        raise SourceChanged(
            f"site {site}: {received} bytes or more came for {key!r}",
            expected=f"{size_bytes} bytes, as announced",
            next_step="scan the source again",
        )
    last = buffer[0] if len(buffer) == 1 else b"".join(buffer)
    for start in range(0, len(last) or 1, part_bytes):
        yield last[start : start + part_bytes]


class _Multipart:
    """One multipart upload: completed, or aborted."""

    def __init__(self, connection: Connection, site: str, key: str) -> None:
        self._connection = connection
        self._site = site
        self._key = key
        self._doing = f"writing {key!r}"

    async def write(self, parts: AsyncIterator[bytes], headers: Mapping[str, str]) -> str:
        upload_id = await self._begin(headers)
        try:
            etags = await self._send_parts(upload_id, parts)
            return await self._complete(upload_id, etags)
        except BaseException:
            await self._abort(upload_id)
            raise

    async def _begin(self, headers: Mapping[str, str]) -> str:
        response = await self._connection.send(
            "POST", self._key, self._doing, query="uploads=", headers=headers
        )
        body = (await response.read()).decode(errors="replace")
        _, found, rest = body.partition("<UploadId>")
        upload_id, ended, _ = rest.partition("</UploadId>")
        if not (found and ended and upload_id) or "&" in upload_id:
            raise SiteRefused(
                f"site {self._site}: {self._doing} failed: no upload id in the answer",
                expected="an InitiateMultipartUploadResult",
            )
        return upload_id

    async def _send_parts(self, upload_id: str, parts: AsyncIterator[bytes]) -> list[str]:
        try:
            return await self._send_in_group(upload_id, parts)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _send_in_group(self, upload_id: str, parts: AsyncIterator[bytes]) -> list[str]:
        in_flight = asyncio.Semaphore(_PARTS_IN_FLIGHT)
        sending: list[asyncio.Task[str]] = []
        async with asyncio.TaskGroup() as group:
            await in_flight.acquire()  # before a part is in memory, not after
            async for part in parts:
                task = group.create_task(self._send_part(upload_id, len(sending) + 1, part))
                task.add_done_callback(lambda _: in_flight.release())
                sending.append(task)
                del part
                await in_flight.acquire()
        return [task.result() for task in sending]

    async def _send_part(self, upload_id: str, number: int, part: bytes) -> str:
        query = urlencode({"partNumber": number, "uploadId": upload_id})
        response = await self._connection.send(
            "PUT", self._key, self._doing, query=query, body=part
        )
        return response.headers.get("etag", "")

    async def _complete(self, upload_id: str, etags: list[str]) -> str:
        body = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        response = await self._connection.send(
            "POST",
            self._key,
            self._doing,
            query=urlencode({"uploadId": upload_id}),
            headers={"content-type": "application/xml"},
            body=f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode(),
        )
        answer = await response.read()
        # S3 may begin a 200 before it knows the outcome: only the document says.
        if b"<CompleteMultipartUploadResult" not in answer:
            code = error_code(response.status, answer)
            if code == "200":
                raise unreachable(self._site, self._doing, "the answer has no result")
            raise answered(self._site, self._doing, 500, code)
        return response.headers.get("x-amz-version-id", "null")

    async def _abort(self, upload_id: str) -> None:
        """Best effort, even when we are being cancelled: what stays is in the uploads listing."""
        query = urlencode({"uploadId": upload_id})
        sent = asyncio.ensure_future(
            self._connection.send("DELETE", self._key, "aborting an upload", query=query)
        )
        with contextlib.suppress(DomicileError, TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(sent), _ABORT_TIMEOUT_S)
