"""What must hold of the OpenID provider that staff log in at (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from domicile.charter.access import Oidc
from domicile.charter.lines import KeyPath
from domicile.charter.places import is_loopback
from domicile.charter.problems import Problem

__all__ = ["oidc_problems"]


def oidc_problems(oidc: Oidc | None) -> Iterator[Problem]:
    """What is wrong with it. No message repeats a URL: it may hold a password."""
    if oidc is None:
        return
    for key, url in (("issuer", oidc.issuer), ("keys_url", oidc.keys_url)):
        if url is not None and not _is_sound(url):
            path: KeyPath = ("oidc", key)
            expected = "https://host[:port][/path] and nothing else; http:// on this machine alone"
            yield Problem(path, "can't be used", expected, "copy it from what the provider says")


def _is_sound(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(" ?#@\\\"'")
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return plain and secure and bool(host) and port != 0
