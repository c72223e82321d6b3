"""Where a key server may be: what is sent there must not be read or answered by another. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from domicile.charter.places import endpoint_faults
from domicile.errors import UsageError

__all__ = ["host_of"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


def host_of(address: str) -> str:
    """``host:port`` of an address. Raises UsageError for one that is no ``https://host:port`` and
    nothing else; plain HTTP is taken on loopback alone."""
    if any(endpoint_faults(address, "")) or not _HOST.fullmatch(urlsplit(address).netloc):
        raise _bad_address()
    return urlsplit(address).netloc


def _bad_address() -> UsageError:
    """Without the address: it may hold a password."""
    return UsageError(
        "the address of a key server can't be used",
        expected="https://host:port and nothing else; http:// on this machine alone",
        next_step="correct it",
    )
