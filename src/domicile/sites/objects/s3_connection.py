"""Signed HTTP to one bucket: the path that objects' bytes take.

Why not a generic object-store client here: a key must reach the server exactly as it is
(``a//b``, ``/a``, ``a/``, ``..``), headers that such clients hide or merge must be seen
(``x-amz-tagging-count``, ``x-amz-meta-content-type``), and a stalled transfer must end. Requests
are signed by `s3_signing`; every body's SHA-256 is signed, so a store that checks it refuses what
was damaged on the way. No aws-chunked, no trailers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from yarl import URL

from domicile.errors import SiteRefused
from domicile.sites.objects.s3_errors import (
    answered,
    answered_get,
    error_code,
    is_transient,
    unreachable,
)
from domicile.sites.objects.s3_headers import host_of, key_path
from domicile.sites.objects.s3_signing import EMPTY_SHA256, Signer

__all__ = ["EAGER_BYTES", "Bucket", "Connection"]

EAGER_BYTES = 1 << 20  # a response up to this size is read whole, inside the retry
_ATTEMPTS = 5
_TIMEOUTS = 2  # of these attempts; a server that hangs is given up sooner
_BACKOFF_S = 0.2
_SLOWEST_BYTES_PER_S = 1 << 18
_SEND_BYTES = 1 << 18
_HASH_INLINE_BYTES = 1 << 18
_CLOSING_TURNS = 4
_jitter = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a bucket is and who we are there. ``endpoint`` has no trailing slash."""

    site: str
    bucket: str
    endpoint: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    timeout_s: float


_HeldSession = tuple[aiohttp.ClientSession, AsyncGenerator[aiohttp.ClientSession, None]]


class Connection:
    """Sends requests for keys of one bucket, with timeouts and bounded retries.

    Pooled connections belong to the running event loop and close when it shuts down.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._signer = Signer(
            bucket.access_key, bucket.secret_key, bucket.region, host_of(bucket.endpoint)
        )
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _HeldSession] = (
            weakref.WeakKeyDictionary()
        )

    async def send(
        self,
        method: str,
        key: str,
        doing: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> aiohttp.ClientResponse:
        """One request, repeated while it may help; safe for idempotent requests only.

        A response of up to `EAGER_BYTES` has been read when it is returned; a longer one is open.
        Raises `SiteUnreachable`, `SiteRefused` or `SiteMissing`.
        """
        digest = await _sha256(body)
        timeouts = 0
        for attempt in range(_ATTEMPTS):
            is_last = attempt == _ATTEMPTS - 1 or timeouts == _TIMEOUTS - 1
            try:
                response = await self._once(method, key, query, headers or {}, body, digest)
            except TimeoutError as error:
                timeouts += 1
                if is_last:
                    raise unreachable(self._bucket.site, doing, "no answer in time") from error
            except (aiohttp.ClientError, OSError) as error:
                if attempt == _ATTEMPTS - 1:
                    raise unreachable(self._bucket.site, doing, _reason(error)) from error
            except ValueError as error:  # a header that HTTP cannot carry
                raise SiteRefused(
                    f"site {self._bucket.site}: {doing} failed: an attribute cannot be sent",
                    expected="header values without control characters",
                ) from error
            else:
                if response.status < 300:
                    return response
                code = await _code(response)
                if attempt == _ATTEMPTS - 1 or not is_transient(response.status, code):
                    said = answered_get if method == "GET" else answered
                    raise said(self._bucket.site, doing, response.status, code)
            await asyncio.sleep(_BACKOFF_S * 2**attempt * _jitter.uniform(0.5, 1.0))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(
        self,
        method: str,
        key: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        digest: str,
    ) -> aiohttp.ClientResponse:
        path = key_path(self._bucket.bucket, key)
        url = f"{self._bucket.endpoint}{path}" + (f"?{query}" if query else "")
        sent = self._signer.sign(method, path, query, headers, digest)
        sent["accept-encoding"] = "identity"
        if body or method in ("PUT", "POST"):
            sent["content-length"] = str(len(body))
        session = await self._session()
        response = await session.request(
            method,
            URL(url, encoded=True),
            headers=sent,
            data=_data(body),
            allow_redirects=False,
            timeout=self._timeout(len(body)),
        )
        await _read_if_small(response)
        return response

    def _timeout(self, body_bytes: int) -> aiohttp.ClientTimeout:
        wait_s = self._bucket.timeout_s
        # Sending has no time-out of its own: bound the whole request, by the body's size.
        total_s = wait_s + body_bytes / _SLOWEST_BYTES_PER_S if body_bytes else None
        return aiohttp.ClientTimeout(total=total_s, sock_connect=wait_s, sock_read=wait_s)

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        held = self._sessions.get(loop)
        if held is None:
            holder = _held_session()
            held = self._sessions[loop] = (await anext(holder), holder)
        return held[0]


class _Connector(aiohttp.TCPConnector):
    """Knows its connections, so that none outlives the loop to send what nobody reads."""

    def __init__(self) -> None:
        super().__init__(limit=0)
        self._made: list[asyncio.Transport] = []

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> ResponseHandler:
        made = await super()._create_connection(req, traces, timeout)
        self._made = [transport for transport in self._made if _is_in_use(transport)]
        if isinstance(made.transport, asyncio.Transport):
            self._made.append(made.transport)
        return made

    def abort(self) -> None:
        for transport in self._made:
            transport.abort()


def _is_in_use(transport: asyncio.Transport) -> bool:
    return not transport.is_closing() or transport.get_write_buffer_size() > 0


async def _held_session() -> AsyncGenerator[aiohttp.ClientSession, None]:
    # The loop closes its asynchronous generators when it shuts down, and with it this session.
    connector = _Connector()
    session = aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Content-Type", "User-Agent"),
        trust_env=False,
        read_bufsize=EAGER_BYTES,
    )
    try:
        yield session
    finally:
        await session.close()
        connector.abort()
        for _ in range(_CLOSING_TURNS):  # transports close in the loop's next turns
            await asyncio.sleep(0)


def _data(body: bytes) -> bytes | AsyncIterator[memoryview] | None:
    """A small body goes out with its headers, a large one in pieces."""
    return _pieces(body) if len(body) > _SEND_BYTES else body or None


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(body), _SEND_BYTES):
        yield view[start : start + _SEND_BYTES]


async def _sha256(body: bytes) -> str:
    if not body:
        return EMPTY_SHA256
    if len(body) <= _HASH_INLINE_BYTES:
        return hashlib.sha256(body).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())


async def _read_if_small(response: aiohttp.ClientResponse) -> None:
    length = response.content_length
    if length is not None and length <= EAGER_BYTES:
        await response.read()


async def _code(response: aiohttp.ClientResponse) -> str:
    body = b""
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        is_read = (response.content_length or EAGER_BYTES + 1) <= EAGER_BYTES
        body = await response.read() if is_read else await response.content.read(4096)
    response.close()
    return error_code(response.status, body)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect ({error.os_error.strerror or type(error.os_error).__name__})"
    return "the connection broke" if isinstance(error, OSError) else type(error).__name__
