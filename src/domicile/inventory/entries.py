"""What the ledger says about the texts that everything else is judged by."""

from __future__ import annotations

from typing import ClassVar

from domicile.ledger import TextPart, entry_kind
from domicile.ledger.texts import Role

__all__ = ["CharterInForce"]


@entry_kind("charter.in-force", version=1)
class CharterInForce(TextPart, frozen=True):
    """The text of a charter that later entries name: a part of it, from part 0 on. sha256 is that
    of the whole text in UTF-8. It is in force where it names no custodians and replaces none, or
    once a ``custody.charter-approved`` names it."""

    role: ClassVar[Role] = "charter"
