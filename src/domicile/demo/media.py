"""Small real media files, made from bytes: no two alike, the same for the same seed. Pure."""

from __future__ import annotations

import json
import struct
import zlib
from random import Random

__all__ = ["document", "jpeg", "mp4", "payload_size", "png"]

_SMALLEST_BYTES = 2_048
_SPREAD_BYTES = 38_000


def payload_size(rng: Random) -> int:
    """2 to 40 KiB, most of them small."""
    return _SMALLEST_BYTES + int(rng.random() ** 3 * _SPREAD_BYTES)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mp4(rng: Random) -> bytes:
    """An MP4 (ISO/IEC 14496-12): brand, a movie header without tracks, and media data."""
    duration_ms = rng.randrange(3_000, 60_000)
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    header = struct.pack(">IIIIIIH10x", 0, 0, 0, 1000, duration_ms, 0x10000, 0x0100)
    return b"".join(
        (
            _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41"),
            _box(b"moov", _box(b"mvhd", header, matrix, bytes(24), struct.pack(">I", 1))),
            _box(b"mdat", rng.randbytes(payload_size(rng))),
        )
    )


def png(rng: Random) -> bytes:
    """A PNG (ISO/IEC 15948): a square of noise on two colours."""
    side = int((payload_size(rng) / 3) ** 0.5)
    noise = rng.randbytes(side * side * 3)
    rows = b"".join(b"\0" + noise[n * side * 3 : (n + 1) * side * 3] for n in range(side))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
            _png_chunk(b"IDAT", zlib.compress(rows, 0)),
            _png_chunk(b"IEND", b""),
        )
    )


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


# One grey block of 8 x 8: a quantisation table of ones, and Huffman tables with one code each (DC
# difference of size 0; end of block), so that the scan is the two bits 00, filled up with ones.
_JPEG_PICTURE = b"".join(
    (
        _segment(0xDB, b"\0" + b"\1" * 64),
        _segment(0xC0, struct.pack(">BHHBBBB", 8, 8, 8, 1, 1, 0x11, 0)),
        _segment(0xC4, b"\x00" + b"\1" + bytes(15) + b"\0"),
        _segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0"),
        _segment(0xDA, b"\1\1\0\0\x3f\0"),
        b"\x3f\xff\xd9",
    )
)


def jpeg(rng: Random) -> bytes:
    """A JPEG (ITU-T T.81): a grey square with a long comment, where the bytes differ."""
    return b"\xff\xd8" + _segment(0xFE, rng.randbytes(payload_size(rng))) + _JPEG_PICTURE


def document(rng: Random) -> bytes:
    """A person's copy of their data: JSON."""
    entries = [{"at": rng.getrandbits(31), "seen": rng.getrandbits(24)} for _ in range(100)]
    return json.dumps({"watched": entries}).encode()
