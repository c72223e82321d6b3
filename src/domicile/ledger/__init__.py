"""The ledger: what happened, provably. A C2SP tlog-tiles log in a directory.

Parts of the system register the kinds of entry they write (`entry_kind`), append them (`Ledger`),
and anybody checks the whole offline (`verify_log`).
"""

from __future__ import annotations

from domicile.ledger.entries import (
    Body,
    Count,
    Entry,
    FileDigest,
    Sha256Hex,
    decode,
    encode,
    entry_kind,
    files_of,
)
from domicile.ledger.files import digest_file
from domicile.ledger.ledger import Ledger, stamp
from domicile.ledger.log import Log
from domicile.ledger.reader import LedgerReader, published_keys, read_only
from domicile.ledger.signing import FileSigner, Signer
from domicile.ledger.verify import Verification, verify_log

__all__ = [
    "Body",
    "Count",
    "Entry",
    "FileDigest",
    "FileSigner",
    "Ledger",
    "LedgerReader",
    "Log",
    "Sha256Hex",
    "Signer",
    "Verification",
    "decode",
    "digest_file",
    "encode",
    "entry_kind",
    "files_of",
    "published_keys",
    "read_only",
    "stamp",
    "verify_log",
]
