"""Archives: exports, dumps and containers of them, read row by row and rewritten without some."""

from domicile.sites.archives.model import NOBODY_CAN_SAY, Key, Layout, Unreadable
from domicile.sites.archives.reading import Reader, size_of
from domicile.sites.archives.rewriting import Keep, is_rewritable, rewrite, same_but_for

__all__ = [
    "NOBODY_CAN_SAY",
    "Keep",
    "Key",
    "Layout",
    "Reader",
    "Unreadable",
    "is_rewritable",
    "rewrite",
    "same_but_for",
    "size_of",
]
