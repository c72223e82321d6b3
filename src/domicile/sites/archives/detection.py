"""What a file is, from its first bytes. Pure."""

from __future__ import annotations

from typing import Literal

__all__ = ["HEAD_BYTES", "Kind", "kind_of", "why_not"]

Kind = Literal[
    "gz", "bz2", "zst", "lz4", "zip", "tar", "parquet", "pg_dump", "sql", "jsonl", "csv", "unknown"
]

HEAD_BYTES = 512
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "parquet"),
    (b"PGDMP", "pg_dump"),
    (b"--\n-- PostgreSQL database dump", "sql"),
)
_ELSE: tuple[tuple[bytes, str], ...] = (
    (b"age-encryption.org/", "it is encrypted (age)"),
    (b"-----BEGIN PGP", "it is encrypted (OpenPGP)"),
    (b"Salted__", "it is encrypted (OpenSSL)"),
    (b"PARE", "it is a Parquet file with an encrypted footer"),
    (b"\xfd7zXZ", "it is compressed with xz"),
    (b"7z\xbc\xaf", "it is a 7z archive"),
)
_TAR_MAGIC_AT = 257


def kind_of(head: bytes) -> Kind:
    """The kind of a file that begins so; ``csv`` is what any other text may be."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return "tar"
    if any(head.startswith(magic) for magic, _ in _ELSE) or b"\x00" in head:
        return "unknown"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"--\n-- PostgreSQL", b"--\r\n-- PostgreSQL")):
        return "sql"
    return "jsonl" if text.startswith(b"{") else "unknown" if text.startswith(b"[") else "csv"


def why_not(head: bytes) -> str:
    """Why a file of an unknown kind is not read."""
    for magic, reason in _ELSE:
        if head.startswith(magic):
            return reason
    if head.lstrip().startswith(b"["):
        return "it is one JSON document, not a line for each row"
    return "it is encrypted, or of a format that is not known here"
