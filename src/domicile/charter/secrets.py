"""Secrets that stand anywhere in a charter's text, comments included (pure).

The text becomes part of the ledger, which everybody may read. The rules refuse credentials in the
URLs that they know; this finds what has the look of one elsewhere. It cannot find a password that
looks like any other word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["secret_lines"]

_SECRET = re.compile(
    r"""
    [A-Za-z][A-Za-z0-9+.-]*://[^\s/"'@:]*:[^\s/"'@]+@           # scheme://user:password@
    | \b(?:password|passwd|pgpassword|passphrase|pin|secret|token|(?:access_|secret_|api_)key)
      \s*=\s*["']\w
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                             # an access key id of S3
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    | \bPRIVATE\+KEY\+                                          # of sumdb/note
    """,
    re.VERBOSE | re.IGNORECASE,
)


def secret_lines(text: str) -> Iterator[int]:
    """The lines (from 1) on which something looks like a secret."""
    for number, line in enumerate(text.split("\n"), 1):
        if _SECRET.search(line):
            yield number
