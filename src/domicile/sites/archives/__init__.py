"""Archives: exports, dumps and containers of them, read row by row and rewritten without some."""

from domicile.sites.archives.folders import (
    DumpFile,
    Toc,
    dump_file,
    part_keys,
    read_blobs,
    read_toc,
)
from domicile.sites.archives.model import NOBODY_CAN_SAY, Key, Layout, Unreadable
from domicile.sites.archives.physical import (
    BackupFacts,
    backup_roots,
    facts_of_label,
    facts_of_manifest,
    known_by_name,
)
from domicile.sites.archives.reading import Reader, size_of
from domicile.sites.archives.rewriting import Keep, is_rewritable, rewrite, same_but_for

__all__ = [
    "NOBODY_CAN_SAY",
    "BackupFacts",
    "DumpFile",
    "Keep",
    "Key",
    "Layout",
    "Reader",
    "Toc",
    "Unreadable",
    "backup_roots",
    "dump_file",
    "facts_of_label",
    "facts_of_manifest",
    "is_rewritable",
    "known_by_name",
    "part_keys",
    "read_blobs",
    "read_toc",
    "rewrite",
    "same_but_for",
    "size_of",
]
