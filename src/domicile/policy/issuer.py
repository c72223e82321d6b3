"""The keys of an OpenID provider, read from it and kept for a while.

The provider is whoever answers at its name over TLS. Every answer is bounded in size and time, no
redirect is followed, and only its own host, or the URL that the charter names, is asked for keys.
A key that it withdrew is good for five minutes at most, an hour where it does not answer.
"""

from __future__ import annotations

import logging
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock
from time import monotonic
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from domicile.charter import Oidc
from domicile.custody.bounded import within
from domicile.errors import SiteUnreachable
from domicile.policy.jwt import Jwk

__all__ = ["Issuer"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_FRESH_S: Final = 300.0
_STALE_S: Final = 3600.0
_PAUSE_S: Final = 1.0  # between two readings, however many unknown names are asked for
_TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 256 << 10
_MOST_KEYS: Final = 100
_DISCOVERY: Final = "/.well-known/openid-configuration"


class _Provider(msgspec.Struct, frozen=True):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Refused(Exception):
    """An answer that is none of a provider's."""


class Issuer:
    """A provider's keys by their names. Usable from several threads."""

    def __init__(self, oidc: Oidc, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._oidc, self._timeout_s = oidc, timeout_s
        self._turn = Lock()
        self._keys: dict[str, Jwk] = {}
        self._read_at = self._tried_at = float("-inf")

    def key(self, name: str) -> Jwk | None:
        """The key of this name, if the provider has it. Raises SiteUnreachable where it has not
        told its keys for an hour, or is being asked for this one."""
        is_old = monotonic() - self._read_at > _FRESH_S
        is_told = not (is_old or name not in self._keys) or self._refresh()
        if monotonic() - self._read_at > _STALE_S or not (is_told or name in self._keys):
            raise SiteUnreachable(
                "the issuer of the token has not told its keys",
                expected=f"{self._oidc.issuer}{_DISCOVERY}, and the keys that it names",
                next_step="try again, or use a token of `domicile staff credential`",
            )
        return self._keys.get(name)

    def _refresh(self) -> bool:
        """Read the keys, unless that was tried just now. False where another thread is at it: no
        second one is held up by a slow provider."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if monotonic() - self._tried_at >= _PAUSE_S:
                self._try()
        finally:
            self._turn.release()
        return True

    def _try(self) -> None:
        try:
            self._keys, self._read_at = self._read(), monotonic()
        except (_Refused, OSError, HTTPException, msgspec.MsgspecError) as error:
            told = str(error) or type(error).__name__
            _LOG.warning("the issuer's keys can't be read: %s", told)
        self._tried_at = monotonic()

    def _read(self) -> dict[str, Jwk]:
        url = self._oidc.keys_url
        if url is None:
            issuer = self._oidc.issuer
            told = self._get(issuer.removesuffix("/") + _DISCOVERY, _Provider)
            if told.issuer != issuer:
                raise _Refused("it calls itself by another name")
            url = told.jwks_uri
            if urlsplit(url)[:2] != urlsplit(issuer)[:2]:
                raise _Refused("its keys are at another host; name it as keys_url in [oidc]")
        found = self._get(url, _KeySet).keys[:_MOST_KEYS]
        names = [key.get("kid") for key in found]
        return {
            name: key
            for name, key in zip(names, found, strict=True)
            if isinstance(name, str) and names.count(name) == 1
        }

    def _get(self, url: str, kind: type[T]) -> T:
        parts = urlsplit(url)
        connection = _connection(parts.scheme, parts.netloc, self._timeout_s)
        with closing(connection):  # where time is up, what still reads from it ends
            body = within(self._timeout_s, lambda: _fetch(connection, parts.path or "/"))
        return msgspec.json.decode(body, type=kind)


def _fetch(connection: HTTPConnection, path: str) -> bytes:
    connection.request("GET", path, headers={"Accept": "application/json"})
    with connection.getresponse() as answer:
        if answer.status != 200:
            raise _Refused(f"it answers {answer.status}")
        body = answer.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        raise _Refused(f"its answer has more than {_MOST_BYTES:,} bytes")
    return body


def _connection(scheme: str, host: str, timeout_s: float) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, timeout=timeout_s, context=ssl.create_default_context())
    return HTTPConnection(host, timeout=timeout_s)
