"""Whose key it is: a person's, or a dataset's where something belongs to no one person. Pure."""

from __future__ import annotations

import base64
from hashlib import sha256

from domicile.ledger import Pseudonym

__all__ = ["SUBJECT_BYTES", "dataset_subject", "person_subject", "pseudonym_of"]

SUBJECT_BYTES = 16


def person_subject(pseudonym: Pseudonym) -> bytes:
    """The random bytes of a person's pseudonym."""
    return base64.b32decode(pseudonym.removeprefix("p-").upper() + "======")


def pseudonym_of(subject: bytes) -> Pseudonym:
    """The pseudonym whose bytes these are."""
    return "p-" + base64.b32encode(subject).decode().rstrip("=").lower()


def dataset_subject(dataset: str) -> bytes:
    """A dataset's name, hashed."""
    return sha256(b"domicile dataset\n" + dataset.encode()).digest()[:SUBJECT_BYTES]
