"""The auditor's key: Ed25519, made and kept with OpenSSL, as an attester's is."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from domicile.charter import attester_key
from domicile.errors import UsageError

__all__ = ["AuditKey", "is_signed_by"]

_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class AuditKey:
    """Signs statements; never printed."""

    _private: Ed25519PrivateKey

    @classmethod
    def load(cls, path: Path) -> AuditKey:
        """From a PEM file without a passphrase (PKCS #8). Raises UsageError."""
        try:
            with path.open("rb") as file:
                key = load_pem_private_key(file.read(_MOST_BYTES), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no plain private key"
            raise _unusable(path, why or type(error).__name__) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(path, "it is a key of another kind")
        return cls(key)

    @property
    def public(self) -> str:
        """The public half, as `openssl pkey -pubout` prints it between its first and last line."""
        data = self._private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(data).decode()

    def sign(self, message: bytes) -> bytes:
        """Its signature, 64 bytes."""
        return self._private.sign(message)


def is_signed_by(public: str, message: bytes, signatures: list[bytes]) -> bool:
    """Whether a key made one of these signatures. Raises UsageError where it is no key."""
    key = attester_key(public)
    if key is None:
        raise UsageError(
            "--key is no public key",
            expected="an Ed25519 public key in base64, beginning with MCowBQYDK2VwAyEA",
            next_step="have the auditor run `openssl pkey -in audit.pem -pubout | sed -n 2p`",
        )
    for signature in signatures:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def _unusable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the signing key {path} cannot be used ({why})",
        expected="an Ed25519 private key in PEM, readable by the auditor alone",
        next_step="make one with `openssl genpkey -algorithm ed25519 -out audit.pem`",
    )
