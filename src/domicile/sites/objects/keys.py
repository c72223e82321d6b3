"""How a key becomes a path of plain file names, and back. Pure.

A key is cut at every ``/``. Each segment is percent-encoded to printable ASCII; the last name of
a key ends in ``@``, so the keys ``a`` and ``a/b`` are ``a@`` and ``a/b@``. Invariants:

- Bijective: `decode_names` inverts `encode_key`, and a name that `encode_key` would not have made
  is refused, so no two paths mean one key.
- Nothing escapes: a name is never empty, never begins with ``.``, and holds no ``/`` or NUL.
  Names that begin with ``.`` are the driver's own.
- A name is at most 202 bytes: a longer segment is cut, and every piece but the last ends in ``%``.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

__all__ = ["KEY_MARK", "MAX_KEY_BYTES", "MORE_MARK", "decode_segment", "encode_key", "is_key"]

MAX_KEY_BYTES = 1024
KEY_MARK = "@"
MORE_MARK = "%"
_EMPTY = "%_"
_PIECE_BYTES = 200
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'/%@\\:*?"<>|')
_UNITS = tuple(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in range(256))


def is_key(key: str) -> bool:
    """Whether this is a key: 1 to 1,024 bytes of UTF-8."""
    try:
        return 1 <= len(key.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def encode_key(key: str) -> tuple[str, ...]:
    """The file names of a key, outermost first; the last ends in ``@``."""
    names: list[str] = []
    for segment in key.encode().split(b"/"):
        names.extend(_encode_segment(segment))
    names[-1] += KEY_MARK
    return tuple(names)


def _encode_segment(segment: bytes) -> list[str]:
    if not segment:
        return [_EMPTY]
    units = [_UNITS[byte] for byte in segment]
    pieces: list[str] = []
    piece = ""
    for unit in units:
        if len(piece) + len(unit) > _PIECE_BYTES:
            pieces.append(piece + MORE_MARK)
            piece = ""
        # A leading dot is the driver's, in every piece: "..", and a piece that would begin with it.
        piece += "%2E" if unit == "." and not piece else unit
    return [*pieces, piece]


def decode_segment(names: tuple[str, ...]) -> bytes | None:
    """The segment that these pieces are (marks of a key taken off), or None: not our making."""
    if names == (_EMPTY,):
        return b""
    text = "".join(name.removesuffix(MORE_MARK) for name in names)
    segment = unquote_to_bytes(text)
    return segment if segment and tuple(_encode_segment(segment)) == names else None
