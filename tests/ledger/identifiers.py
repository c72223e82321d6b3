"""Looks for what tells who somebody is in the files of a ledger: as it is, and as it may be
disguised. A hash of an e-mail address is as good as the address to whoever has a list of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

__all__ = ["forms", "traces"]

_SHORTEST = 8  # shorter values stand in hashes and numbers by chance


def forms(value: str) -> Iterator[bytes]:
    """A value in lower case, as text, escaped, encoded and hashed."""
    assert len(value) >= _SHORTEST
    for text in {value, value.lower(), value.upper()}:
        data = text.encode()
        yield data
        yield text.encode("utf-16-le")
        escaped = json.dumps(text)[1:-1]
        yield from (escaped.encode(), json.dumps(escaped)[1:-1].encode())  # once, and in an entry
        yield quote(text, safe="").encode()
        yield data.hex().encode()
        yield from (part for lead in range(3) if len(part := _base64(data, lead)) >= _SHORTEST)
        for name in ("sha256", "sha1", "md5"):
            digest = hashlib.new(name, data, usedforsecurity=False).digest()
            yield from (digest, digest.hex().encode(), base64.b64encode(digest).rstrip(b"="))


def _base64(data: bytes, lead: int) -> bytes:
    """The characters that stand for ``data`` alone, wherever a text in base64 has it."""
    encoded = base64.b64encode(b"\0" * lead + data)
    start = (lead * 8 + 5) // 6
    return encoded[start : (lead + len(data)) * 8 // 6]


def traces(directory: Path, values: Iterable[str]) -> set[str]:
    """The values of which some form stands in some file, in its name, or goes for a directory's."""
    wanted = [(value, {form.lower() for form in forms(value)}) for value in values]
    found = set()
    for path in sorted(directory.rglob("*")):
        data = path.relative_to(directory).as_posix().encode()
        if path.is_file():
            data += b"\0" + path.read_bytes()
        data = data.lower()
        found |= {value for value, spelled in wanted if any(form in data for form in spelled)}
    return found
