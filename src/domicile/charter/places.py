"""Where a site's URL points, and what is wrong with a URL (pure).

Two sites are the same place when what they address is the same store, however it is spelt.
No message repeats a URL: one may hold a password.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from domicile.charter.model import ObjectSiteConfig, PostgresSiteConfig

__all__ = ["Place", "UrlFault", "endpoint_faults", "is_loopback", "place_of", "url_faults"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_PORTS = {"http": 80, "https": 443}
_POSTGRES_PORT = "5432"
_POSTGRES_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})

UrlKey = Literal["url", "endpoint"]


@dataclass(frozen=True, slots=True)
class Place:
    """The store that a URL addresses: ``host`` (``host:port``, a socket directory, empty for a
    directory) and ``store`` (database, bucket, or normalised directory)."""

    kind: Literal["postgres", "s3", "directory"]
    host: str
    store: str

    def holds(self, other: Place) -> bool:
        """Whether ``other`` is this place or lies inside it."""
        if self == other:
            return True
        if (self.kind, other.kind) != ("directory", "directory"):
            return False
        return PurePosixPath(other.store).is_relative_to(self.store)


@dataclass(frozen=True, slots=True)
class UrlFault:
    """What is wrong with the URL under ``key`` of a site."""

    key: UrlKey
    failed: str
    expected: str
    next_step: str


def place_of(site: PostgresSiteConfig | ObjectSiteConfig, base: Path) -> Place:
    """The place of a site whose URLs have no faults; relative directories start at ``base``."""
    if isinstance(site, PostgresSiteConfig):
        return _database(urlsplit(site.url))
    if site.url.startswith("s3:"):
        endpoint = urlsplit(site.endpoint or "")
        port = endpoint.port or _PORTS.get(endpoint.scheme, 0)
        return Place("s3", f"{_host(endpoint.hostname)}:{port}", urlsplit(site.url).netloc)
    directory = posixpath.join(base.as_posix(), unquote(urlsplit(site.url).path))
    return Place("directory", "", posixpath.normpath(directory))


def _database(url: SplitResult) -> Place:
    options = {key: values[-1] for key, values in parse_qs(url.query).items()}
    user = unquote(url.username or options.get("user", ""))
    host = unquote(options.get("host") or options.get("hostaddr") or url.hostname or "")
    port = options.get("port") or str(url.port or _POSTGRES_PORT)
    name = unquote(url.path[1:]) or options.get("dbname") or user
    where = posixpath.normpath(host) if host.startswith("/") else _host(host)
    return Place("postgres", f"{where}:{port}", name)


def _host(name: str | None) -> str:
    host = (name or "").casefold().rstrip(".")
    return "localhost" if is_loopback(host) else host


def is_loopback(host: str) -> bool:
    """Whether a host name can only mean this machine."""
    name = host.casefold().rstrip(".").strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def url_faults(site: PostgresSiteConfig | ObjectSiteConfig) -> Iterator[UrlFault]:
    """Everything wrong with the URLs of one site."""
    if isinstance(site, PostgresSiteConfig):
        yield from _postgres_faults(site.url)
    elif site.url.startswith("s3:"):
        yield from _bucket_faults(site.url)
        yield from _store_faults(site.endpoint)
    else:
        yield from _directory_faults(site)


def _split(text: str) -> SplitResult | None:
    """A URL's parts, or None where there are none to speak of."""
    try:
        url = urlsplit(text)
        _ = url.port, url.hostname
    except ValueError:
        return None
    printable = all(" " < character != "\x7f" for character in text)
    return url if printable else None


def _postgres_faults(text: str) -> Iterator[UrlFault]:
    expected = "postgresql://user@host:port/database, one host, no password"
    url = _split(text)
    if url is None or url.scheme not in ("postgresql", "postgres") or "//" not in text:
        yield UrlFault("url", "is not a PostgreSQL URL", expected, "correct the URL")
        return
    options = parse_qs(url.query, keep_blank_values=True)
    if url.password is not None or _POSTGRES_SECRETS & {key.casefold() for key in options}:
        yield _secret("url", "`password_env` or `password_file`")
    if "," in url.netloc + "".join(options.get("host", [])):
        yield UrlFault("url", "names several hosts", expected, "make each server a site of its own")
    if "service" in options:
        step = "write host, port and database into the URL"
        yield UrlFault("url", "leaves the place to a service file", expected, step)
    if "/" in url.path[1:] or url.fragment:
        yield UrlFault("url", "goes on after the database", expected, "cut what follows")
    if not _database(url).store:
        yield UrlFault("url", "names no database", expected, "add /database")


def _bucket_faults(text: str) -> Iterator[UrlFault]:
    expected = "s3://bucket"
    url = _split(text)
    if url is None or not text.startswith("s3://"):
        yield UrlFault("url", "is not a bucket's URL", expected, "correct the URL")
        return
    if url.username is not None or url.password is not None:
        yield _secret("url", "`access_key_env` and `secret_key_env`, or `credentials_file`")
    elif url.path.strip("/") or url.query or url.fragment:
        step = "name the bucket alone; a prefix belongs into a dataset's template"
        yield UrlFault("url", "goes on after the bucket", expected, step)
    elif not _BUCKET.fullmatch(url.netloc):
        yield UrlFault("url", "names no valid bucket", expected, "correct the bucket's name")


def _store_faults(text: str | None) -> Iterator[UrlFault]:
    if text is not None:
        yield from endpoint_faults(
            text, "`access_key_env` and `secret_key_env`, or `credentials_file`"
        )
        return
    step = 'add endpoint = "https://..."'
    yield UrlFault("endpoint", "is missing: s3:// needs one", "https://host[:port]", step)


def endpoint_faults(text: str, instead: str) -> Iterator[UrlFault]:
    """What is wrong with a server's address; ``instead`` names the keys that credentials have."""
    expected = "https://host[:port]"
    url = _split(text)
    if url is None or url.scheme not in _PORTS or not url.hostname:
        yield UrlFault("endpoint", "is not an endpoint", expected, "correct the endpoint")
    elif url.username is not None or url.password is not None:
        yield _secret("endpoint", instead)
    elif url.path.strip("/") or url.query or url.fragment:
        step = "keep host and port alone"
        yield UrlFault("endpoint", "goes on after host and port", expected, step)
    elif url.scheme == "http" and not is_loopback(url.hostname):
        step = "use https://; http:// is for this machine alone"
        yield UrlFault("endpoint", "would send data in the clear", expected, step)


def _directory_faults(site: ObjectSiteConfig) -> Iterator[UrlFault]:
    expected = "s3://bucket, file:///directory or file:relative"
    url = _split(site.url.replace(" ", "_"))
    if url is None or url.scheme != "file":
        yield UrlFault("url", "is not a URL of objects", expected, "correct the URL")
        return
    if url.netloc not in ("", "localhost"):
        step = "write file:///directory, or file:relative"
        yield UrlFault("url", "names a host", expected, step)
    if url.query or url.fragment or not url.path or "\0" in unquote(url.path):
        yield UrlFault("url", "names no directory", expected, "correct the path")
    if site.endpoint is not None:
        yield UrlFault("endpoint", "is only for s3://", "no endpoint", "remove it")


def _secret(key: UrlKey, instead: str) -> UrlFault:
    return UrlFault(
        key,
        "holds credentials",
        "a URL without credentials",
        f"remove it, change that secret, and name where it is kept with {instead}",
    )
