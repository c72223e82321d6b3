"""Standard base64 (RFC 4648 section 4), of which only the one canonical spelling counts. Pure."""

from __future__ import annotations

import base64
import binascii

__all__ = ["decode_base64", "encode_base64"]


def encode_base64(data: bytes) -> str:
    """The bytes as text."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes | None:
    """The bytes, or None where this is not how they are spelled."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode_base64(data) == text else None
