"""One key under another: AES-256-GCM with a random nonce, bound to what the key is for. Pure.

A wrapped key has 60 bytes: ``nonce 12 | sealed key 32 | tag 16``. Its context (whose key it is, of
which boundary and version) is authenticated and not stored: a wrapped key that is passed off as
another's does not open.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domicile.errors import EvidenceError

__all__ = ["KEY_BYTES", "WRAPPED_BYTES", "does_not_open", "unwrap_key", "wrap_key"]

KEY_BYTES = 32
_NONCE_BYTES = 12
WRAPPED_BYTES = _NONCE_BYTES + KEY_BYTES + 16


def wrap_key(wrapping: bytes, key: bytes, context: bytes) -> bytes:
    """The key of 32 bytes under another. Raises ValueError where either has another length.

    The nonce is random: wrap no more than 2**32 keys under one (NIST SP 800-38D, section 8.3).
    """
    if len(key) != KEY_BYTES or len(wrapping) != KEY_BYTES:
        raise ValueError((len(wrapping), len(key)))
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(wrapping).encrypt(nonce, key, context)


def unwrap_key(wrapping: bytes, wrapped: bytes, context: bytes) -> bytes:
    """The key. Raises EvidenceError where it was changed, is another's, or is under another key."""
    if len(wrapped) != WRAPPED_BYTES:
        raise does_not_open()
    try:
        return AESGCM(wrapping).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
    except InvalidTag:
        raise does_not_open() from None


def does_not_open() -> EvidenceError:
    """The error where a wrapped key is not what it should be."""
    return EvidenceError(
        "a wrapped key does not open in its place: it was changed, or is another's",
        expected="the wrapped key as custody wrote it, for the same person and boundary",
        next_step="restore the wrapped keys from their backup",
    )
