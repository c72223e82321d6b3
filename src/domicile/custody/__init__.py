"""The custodian's keys, and objects sealed under them."""

from __future__ import annotations

from domicile.custody.streaming_aead import Opener, Sealer

__all__ = ["Opener", "Sealer"]
