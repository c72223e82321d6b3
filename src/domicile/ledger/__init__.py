"""The ledger: what happened, provably. A C2SP tlog-tiles log in a directory.

Parts of the system register the kinds of entry they write (`entry_kind`), append them (`Ledger`),
and anybody checks the whole offline (`verify_log`).
"""

from __future__ import annotations

from domicile.ledger.clock import Clock
from domicile.ledger.entries import (
    Body,
    Count,
    Entry,
    EntryTime,
    FileDigest,
    Pseudonym,
    Sha256Hex,
    decode,
    encode,
    entry_kind,
    files_of,
    time_text,
)
from domicile.ledger.files import digest_file
from domicile.ledger.http import HttpSource
from domicile.ledger.ledger import Ledger
from domicile.ledger.log import Log
from domicile.ledger.publish import DirectoryTarget, Published, Target, publish
from domicile.ledger.reader import LedgerReader, published_keys, read_only
from domicile.ledger.seen import Seen, read_seen, seen_directory
from domicile.ledger.signing import FileSigner, Signer
from domicile.ledger.sources import DirectorySource, Source
from domicile.ledger.texts import TextPart, split_text
from domicile.ledger.verify import Verification, verify_log

__all__ = [
    "Body",
    "Clock",
    "Count",
    "DirectorySource",
    "DirectoryTarget",
    "Entry",
    "EntryTime",
    "FileDigest",
    "FileSigner",
    "HttpSource",
    "Ledger",
    "LedgerReader",
    "Log",
    "Pseudonym",
    "Published",
    "Seen",
    "Sha256Hex",
    "Signer",
    "Source",
    "Target",
    "TextPart",
    "Verification",
    "decode",
    "digest_file",
    "encode",
    "entry_kind",
    "files_of",
    "publish",
    "published_keys",
    "read_only",
    "read_seen",
    "seen_directory",
    "split_text",
    "time_text",
    "verify_log",
]
