"""A request as it came: nothing decoded twice, nothing normalised. Pure.

Invariants:
- A key means itself: ``//``, ``..``, ``%2F`` and a trailing ``/`` are parts of names.
- What is no UTF-8, or names no key that S3 could have, is refused before anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from domicile.gateways.s3.faults import S3Fault

__all__ = ["S3Request", "read_request"]

_MOST_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request. path: as it came, encoded. query: names and values, decoded, in their order.
    headers: lower-case names; bytes as Latin-1, as HTTP has them. host: without its port.
    bucket, key: empty where it names none."""

    method: str
    path: bytes
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    host: str
    bucket: str
    key: str

    def header(self, name: str, default: str = "") -> str:
        """A header's value; of several with one name, joined as HTTP joins them."""
        found = [value.strip() for each, value in self.headers if each == name]
        return ",".join(found) if found else default

    def parameter(self, name: str) -> str | None:
        """A query parameter's value. Raises S3Fault where it is there twice."""
        found = [value for each, value in self.query if each == name]
        if len(found) > 1:
            raise S3Fault("InvalidArgument", f"the parameter {name} is there twice")
        return found[0] if found else None

    @property
    def names(self) -> frozenset[str]:
        """The names of the query's parameters."""
        return frozenset(name for name, _ in self.query)


def read_request(
    method: str,
    path: bytes,
    query: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    domains: Iterable[str],
) -> S3Request:
    """A request of these parts. ``domains`` are those under which a bucket may be the host's first
    label; else it is the path's first segment. Raises S3Fault."""
    read = tuple((name.decode("latin-1").lower(), v.decode("latin-1")) for name, v in headers)
    hosts = [value for name, value in read if name == "host"]
    if len(hosts) != 1 or not path.startswith(b"/"):
        raise S3Fault("InvalidURI", "the request names no one host, or its path is not absolute")
    host = _without_port(hosts[0].strip().lower())
    bucket, key = _named(_decoded(path)[1:], host, domains)
    if len(key.encode()) > _MOST_KEY_BYTES:
        raise S3Fault("KeyTooLongError", f"a key has at most {_MOST_KEY_BYTES:,} bytes")
    return S3Request(method, path, _pairs(query), read, host, bucket, key)


def _named(path: str, host: str, domains: Iterable[str]) -> tuple[str, str]:
    for domain in domains:
        if host.endswith(f".{domain}"):
            return host.removesuffix(f".{domain}"), path
    bucket, _, key = path.partition("/")
    return bucket, key


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _pairs(query: bytes) -> tuple[tuple[str, str], ...]:
    parts = (part.partition(b"=") for part in query.split(b"&") if part)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in parts)


def _decoded(text: bytes) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise S3Fault("InvalidURI", "the URI is not UTF-8, percent-encoded") from None
