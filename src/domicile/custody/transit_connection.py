"""Requests to OpenBao or Vault: verified, bounded, without redirects, the token in a header only.

A token goes to the host that was named and to no other: a standby that redirects is refused.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from domicile.custody.addresses import host_of
from domicile.custody.bounded import within
from domicile.custody.credential import Credential
from domicile.errors import (
    EvidenceError,
    SiteMissing,
    SiteRefused,
    SiteUnreachable,
    UsageError,
)

__all__ = ["TransitConnection"]

_Answer = TypeVar("_Answer")
_TIMEOUT_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 4 << 20
_TOKEN = re.compile(r"[!-~]{1,8192}")


class _Envelope(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"null")


class TransitConnection:
    """One server, and the token for it. A connection per request: processes and threads share
    nothing. Every request raises SiteUnreachable, SiteRefused and SiteMissing as `RootKey` says."""

    def __init__(
        self,
        address: str,
        token: Credential,
        *,
        ca_file: Path | None = None,
        namespace: str = "",
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """Raises UsageError for an address that is no ``https://host:port``; plain HTTP is taken
        on loopback alone."""
        self.host, self._tls = host_of(address), _tls(address, ca_file)
        self._token, self._namespace, self._timeout_s = token, namespace, timeout_s

    def __repr__(self) -> str:
        return f"TransitConnection({self.host!r}, token in {self._token!r})"

    def get(self, path: str, *, answer: type[_Answer]) -> _Answer:
        """The data of the answer."""
        return self._decoded(self._request("GET", path, None), answer)

    def post(self, path: str, body: Mapping[str, object]) -> None:
        """A change."""
        self._request("POST", path, body)

    def ask(self, path: str, body: Mapping[str, object], *, answer: type[_Answer]) -> _Answer:
        """The data of the answer; of a batch of which a part failed too (400 with data)."""
        return self._decoded(self._request("POST", path, body), answer)

    def _decoded(self, body: bytes, answer: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(msgspec.json.decode(body, type=_Envelope).data, type=answer)
        except (msgspec.MsgspecError, ValueError):
            raise EvidenceError(
                f"{self.host} answers what no transit engine does",
                expected="the API of OpenBao 2 or Vault 1",
                next_step="check what answers at that address",
            ) from None

    def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> bytes:
        headers, data = self._headers(), b"" if body is None else msgspec.json.encode(body)
        connection = self._connection()
        try:
            status, answer = within(
                self._timeout_s, lambda: _exchange(connection, method, path, data, headers)
            )
        except TimeoutError:
            connection.close()  # what still reads from it ends
            raise self._unreachable(f"did not answer in {self._timeout_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise self._refused(
                f"shows a certificate that does not verify ({error.verify_message})"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(f"does not answer ({type(error).__name__})") from None
        return self._judged(status, answer, path)

    def _judged(self, status: int, answer: bytes, path: str) -> bytes:
        if status in {200, 204} or (status == 400 and b'"data"' in answer):
            return answer
        if 300 <= status < 400:
            raise self._refused("redirects to another host, where the token does not go")
        if status in {401, 403}:
            raise self._refused(f"refuses the token in {self._token!r}, or it may not {path}")
        if status == 404:
            raise SiteMissing(
                f"{self.host} has no {path}",
                expected="a transit engine at that mount, and the key in it",
                next_step="check mount, key and namespace",
            )
        if status in {412, 429, 472, 473} or status >= 500:
            raise self._unreachable(f"is sealed, on standby or overloaded ({status})")
        raise self._refused(f"refuses {path} ({status})")

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self.host, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self.host, timeout=self._timeout_s, context=self._tls)

    def _headers(self) -> dict[str, str]:
        token = self._token.read()
        if not _TOKEN.fullmatch(token):
            raise self._refused(f"cannot be shown what is in {self._token!r}: it is no token")
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
        return headers | ({"X-Vault-Namespace": self._namespace} if self._namespace else {})

    def _unreachable(self, why: str) -> SiteUnreachable:
        return SiteUnreachable(
            f"the key server {self.host} {why}",
            expected="an unsealed, active OpenBao or Vault",
            next_step="check it, then try again",
        )

    def _refused(self, why: str) -> SiteRefused:
        return SiteRefused(
            f"the key server {self.host} {why}",
            expected="the active node, its authority's certificate, a token that may use the key",
            next_step="check address, CA file, token and its policy",
        )


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    data: bytes,
    headers: Mapping[str, str],
) -> tuple[int, bytes]:
    with contextlib.closing(connection):
        connection.request(method, f"/v1/{path}", data, dict(headers))
        with connection.getresponse() as response:
            answer = response.read(_MAX_ANSWER_BYTES + 1)
    if len(answer) > _MAX_ANSWER_BYTES:
        raise http.client.HTTPException
    return response.status, answer


def _tls(address: str, ca_file: Path | None) -> ssl.SSLContext | None:
    if not address.startswith("https:"):
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the CA file of a key server cannot be read ({type(error).__name__})",
            expected="certificates of authorities in PEM",
            next_step="name the authority that signed the server's certificate",
        ) from None
