"""The gateway as an ASGI application: from a request to its answer.

Invariants:
- Nothing of a bucket is told before its access is in the ledger: what can't be recorded is not
  given.
- An answer that must end early is broken off, so that no client takes it for whole.
- No answer holds a secret, and no line of the log a secret or a key, which may name a person.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any, Literal

from domicile.errors import DomicileError, SiteRefused
from domicile.gateways.s3 import answers
from domicile.gateways.s3.conditions import check_conditions
from domicile.gateways.s3.faults import S3Fault, fault_of
from domicile.gateways.s3.gatekeeper import Access, Gatekeeper
from domicile.gateways.s3.home import Home
from domicile.gateways.s3.listing import read_page
from domicile.gateways.s3.namespace import Namespace
from domicile.gateways.s3.operations import (
    GetBucketLocation,
    GetObject,
    HeadBucket,
    ListBuckets,
    ListObjects,
    Operation,
    Range,
    read_operation,
)
from domicile.gateways.s3.purpose import read_purpose
from domicile.gateways.s3.request import S3Request, read_request
from domicile.policy.grants import Wanted
from domicile.policy.questions import Caller
from domicile.sites.objects import ObjectRead, Span

__all__ = ["S3Gateway"]

_LOG = logging.getLogger(__name__)
_OURS = 500
_EVERY_S = 0.25
_STALLED_S = 60.0
_ENDLESS = 1 << 62
_XML = {"content-type": "application/xml"}
_NOWHERE = "0.0.0.0"  # noqa: S104 - an address of no network
Message = dict[str, Any]


class _BrokenOff(Exception):
    """The answer has begun, and is not going to be whole."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, and what for."""

    caller: Caller
    purpose: str
    ticket: str

    def to(self, operation: GetObject | ListObjects) -> Wanted:
        """The question to the policy."""
        action: Literal["list", "read"] = "list" if isinstance(operation, ListObjects) else "read"
        return Wanted(action, operation.bucket, self.purpose, self.ticket)


class S3Gateway:
    """Objects at home for S3 clients. namespace: its buckets. domains: under which a bucket may be
    the host's first label. made: shown as when the buckets were made. certificate: under what a
    call's state has the client's certificate (DER), where one was proven."""

    def __init__(
        self,
        namespace: Namespace,
        gatekeeper: Gatekeeper,
        home: Home,
        *,
        made: datetime,
        domains: Sequence[str] = ("localhost",),
        certificate: str = "",
    ) -> None:
        self._namespace, self._gatekeeper, self._home = namespace, gatekeeper, home
        self._made, self._domains, self._certificate = made, tuple(domains), certificate

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        reply = _Reply(send, is_head=scope["method"] == "HEAD")
        leaving = asyncio.create_task(reply.notice_leaving(receive))
        path = scope["raw_path"].decode("latin-1")
        try:
            await self._answer(scope, reply)
        except _BrokenOff:
            pass
        except S3Fault as fault:
            await reply.refuse(fault, path)
        except DomicileError as error:
            told = fault_of(error)
            if told.status >= _OURS:
                reply.log(error)
            await reply.refuse(told, path)
        except Exception as error:  # noqa: BLE001 - whatever it is, others are served
            reply.log(error)
            await reply.refuse(S3Fault("InternalError", "it was not answered: see the log"), path)
        finally:
            leaving.cancel()

    async def _answer(self, scope: Mapping[str, Any], reply: _Reply) -> None:
        request = read_request(
            scope["method"],
            scope["raw_path"],
            scope["query_string"],
            scope["headers"],
            self._domains,
        )
        address = scope["client"][0] if scope.get("client") else _NOWHERE
        certificate = scope.get("state", {}).get(self._certificate)
        caller, defaults = await asyncio.to_thread(
            self._gatekeeper.caller, request, address, certificate
        )
        operation = read_operation(request)
        if isinstance(operation, GetObject | ListObjects):
            asked = _Asked(caller, *read_purpose(request, defaults))
            await self._open(operation, asked, reply)
        else:
            await reply.give(self._told(operation, request))

    def _told(self, operation: Operation, request: S3Request) -> bytes:
        """What is in the charter, and about nobody."""
        match operation:
            case ListBuckets():
                prefix = request.parameter("prefix") or ""
                names = (name for name in self._namespace.buckets if name.startswith(prefix))
                return answers.bucket_list(names, self._made)
            case GetBucketLocation(bucket):
                self._namespace.template(bucket)
                return answers.location()
            case HeadBucket(bucket):
                self._namespace.template(bucket)
        return b""

    async def _open(self, operation: GetObject | ListObjects, asked: _Asked, reply: _Reply) -> None:
        """An access, from its entry to its end."""
        bucket, person = operation.bucket, ""
        if isinstance(operation, GetObject):
            person = self._namespace.person(bucket, operation.key)
        self._namespace.template(bucket)
        wanted = asked.to(operation)
        access = await asyncio.to_thread(self._gatekeeper.open, asked.caller, wanted, person)
        try:
            if isinstance(operation, ListObjects):
                await self._list(operation, access, reply)
            else:
                await self._get(operation, access, reply)
        finally:
            await asyncio.shield(asyncio.to_thread(self._gatekeeper.close, access))

    async def _list(self, operation: ListObjects, access: Access, reply: _Reply) -> None:
        template = self._namespace.template(operation.bucket)
        most = access.opened.caps.items
        if most is not None:
            operation = replace(operation, most=min(operation.most, most))
        page = answers.Page((), (), "")
        prefixes = sorted((template.prefix, operation.prefix), key=len)
        if prefixes[1].startswith(prefixes[0]) and operation.most:
            page = await asyncio.to_thread(
                read_page,
                operation,
                partial(self._home.pages, prefixes[1]),
                partial(self._namespace.has, operation.bucket),
                self._home.listed,
            )
        await reply.give(answers.object_list(operation, page))
        access.items, access.ended = len(page.objects) + len(page.prefixes), "whole"

    async def _get(self, operation: GetObject, access: Access, reply: _Reply) -> None:
        read, start, end = await self._read(operation.key, operation.range)
        try:
            check_conditions(operation.conditions, read.etag, read.modified)
        except S3Fault:
            access.ended = "whole"
            raise
        headers = answers.object_headers(
            read.attributes, read.etag, read.modified, operation.overrides
        )
        if read.version_id != "null":
            headers["x-amz-version-id"] = read.version_id
        headers["content-length"] = str(end - start)
        if operation.range is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{read.size_bytes}"
        await reply.begin(200 if operation.range is None else 206, headers)
        if not operation.is_head:
            await self._give(read, access, reply)
            access.items = 1
        await reply.end()
        access.ended = "whole"

    async def _read(self, key: str, part: Range | None) -> tuple[ObjectRead, int, int]:
        """An open read, and which bytes it gives: from there to there (exclusive)."""
        if part is None or part.first is None:
            read = await self._home.read(key)
            if part is None:
                return read, 0, read.size_bytes
            span = part.within(read.size_bytes)
            return await self._home.read(key, span, read.version_id), span.start, span.end
        span = Span(part.first, _ENDLESS if part.last is None else part.last + 1)
        try:
            read = await self._home.read(key, span)
        except SiteRefused:
            part.within((await self._home.read(key)).size_bytes)  # is it that it ends before?
            raise
        span = part.within(read.size_bytes)
        return read, span.start, span.end

    async def _give(self, read: ObjectRead, access: Access, reply: _Reply) -> None:
        """The bytes, as long as nobody leaves, nothing is revoked and the caps last."""
        looked_at = monotonic()
        async for chunk in read.chunks:
            if monotonic() - looked_at > _EVERY_S:
                if not await asyncio.to_thread(self._gatekeeper.may_go_on, access):
                    access.ended = "revoked"
                    raise _BrokenOff
                looked_at = monotonic()
            left = None if access.most_bytes is None else access.most_bytes - access.size_bytes
            part = chunk if left is None else chunk[:left]
            if not reply.is_left:
                await reply.add(part)
            if reply.is_left:
                access.ended = "left"
                raise _BrokenOff
            access.size_bytes += len(part)
            if len(part) < len(chunk):
                access.ended = "capped"
                raise _BrokenOff
        await asyncio.sleep(0)  # who left during the last of it is known by now
        if reply.is_left:
            access.ended = "left"
            raise _BrokenOff


class _Reply:
    """An answer on its way to a client. is_left: the client is gone."""

    def __init__(self, send: Callable[[Message], Awaitable[None]], *, is_head: bool) -> None:
        self._send, self._is_head = send, is_head
        self._id = token_hex(8)
        self._is_begun = False
        self.is_left = False

    async def notice_leaving(self, receive: Callable[[], Awaitable[Message]]) -> None:
        """Wait until the client is gone. What it sends beside is not looked at."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_left = True

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers."""
        self._is_begun = True
        told = {**headers, "x-amz-request-id": self._id, "server": "domicile"}
        pairs = [(name.encode(), _header(value)) for name, value in told.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def add(self, data: bytes) -> None:
        """Some of the body. Who takes nothing for a minute has left."""
        try:
            async with asyncio.timeout(_STALLED_S):
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            self.is_left = True

    async def end(self, data: bytes = b"") -> None:
        """The rest of it."""
        await self._send({"type": "http.response.body", "body": data})

    async def give(self, body: bytes, status: int = 200, headers: Mapping[str, str] = _XML) -> None:
        """A whole answer."""
        await self.begin(status, {**headers, "content-length": str(len(body))})
        await self.end(b"" if self._is_head else body)

    def log(self, error: Exception) -> None:
        """What went wrong, and where, without its words."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
        _LOG.error("request %s: %s at %s", self._id, type(error).__name__, where)

    async def refuse(self, fault: S3Fault, path: str) -> None:
        """An error; of an answer that has begun there is none any more."""
        if self._is_begun:
            return
        body = b"" if fault.status == 304 else answers.error(fault, path, self._id)
        headers = dict(fault.headers) if fault.status == 304 else {**_XML, **dict(fault.headers)}
        await self.give(body, fault.status, headers)


def _header(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
