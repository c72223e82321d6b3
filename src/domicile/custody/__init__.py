"""What the custodian holds: under which pseudonym the ledger mentions whom."""

from domicile.custody.pseudonyms import Pseudonyms

__all__ = ["Pseudonyms"]
