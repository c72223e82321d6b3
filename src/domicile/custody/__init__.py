"""What only the custodian may know and do: who is behind a pseudonym, the keys, what lies sealed
under them."""

from __future__ import annotations

from domicile.custody.pseudonyms import Pseudonyms
from domicile.custody.streaming_aead import Opener, Sealer

__all__ = ["Opener", "Pseudonyms", "Sealer"]
