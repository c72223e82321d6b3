"""What a key goes by: random bytes for a person (`Pseudonyms.subjects`), a digest for a dataset,
where something belongs to no one person."""

from __future__ import annotations

from hashlib import sha256

__all__ = ["SUBJECT_BYTES", "dataset_subject"]

SUBJECT_BYTES = 16


def dataset_subject(dataset: str) -> bytes:
    """A dataset's name, hashed."""
    return sha256(b"domicile dataset\n" + dataset.encode()).digest()[:SUBJECT_BYTES]
