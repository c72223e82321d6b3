"""What a key goes by: random bytes for a person (`Pseudonyms.subjects`), a digest for a dataset,
where something belongs to no one person, and for an S3 access key."""

from __future__ import annotations

from hashlib import sha256

__all__ = ["SUBJECT_BYTES", "credential_subject", "dataset_subject"]

SUBJECT_BYTES = 16


def dataset_subject(dataset: str) -> bytes:
    """A dataset's name, hashed."""
    return sha256(b"domicile dataset\n" + dataset.encode()).digest()[:SUBJECT_BYTES]


def credential_subject(credential: str) -> bytes:
    """A credential's name, hashed."""
    return sha256(b"domicile credential\n" + credential.encode()).digest()[:SUBJECT_BYTES]
