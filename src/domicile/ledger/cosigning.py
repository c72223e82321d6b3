"""What the log needs of whoever asks its witnesses to co-sign."""

from __future__ import annotations

from typing import Protocol

from domicile.errors import SiteRefused
from domicile.ledger.note import Note
from domicile.ledger.proofs import Prover

__all__ = ["Cosigner", "NotCosigned", "Unwitnessed"]


class NotCosigned(SiteRefused):
    """Entries are in the signed tree; too few witnesses co-signed it, so it is not published."""


class Cosigner(Protocol):
    """Asks the log's witnesses."""

    def cosign(self, note: Note, prover: Prover) -> Note:
        """The log's signed checkpoint with its witnesses' lines. prover proves things about its
        tree. Raises NotCosigned, and nothing else, where fewer co-signed than must.
        """
        ...


class Unwitnessed:
    """A log that nobody co-signs."""

    def cosign(self, note: Note, prover: Prover) -> Note:  # noqa: ARG002 - as Cosigner asks
        """The note as it is."""
        return note
