"""The certificate of a shred: what no longer opens, what that rests on, and what it doesn't cover.
Pure.

It is a cryptographic erase (NIST SP 800-88 Rev. 2) of what was sealed, and of nothing else. What
the destruction of a key proves is said in the words of the root that held it.
"""

from __future__ import annotations

import base64

import msgspec

from domicile.erase.certificate import Check, Verifier
from domicile.erase.unreadable import Unreadable

__all__ = ["KNOWN_COPIES", "NOT_COVERED", "SHRED_TYPE", "ShredCertificate", "unsigned_shred"]

SHRED_TYPE = "application/vnd.domicile.shred+json"

KNOWN_COPIES = (
    (
        "the state database: the wrapped keys of these persons and the mappings of their"
        " pseudonyms were deleted from it"
    ),
    (
        "backups of the state database are not known to us: whatever they hold of these keys is"
        " under the destroyed versions of the boundary's key, which only the destroyed versions of"
        " the root could unwrap"
    ),
    (
        "the root's versions with its keeper: destroyed as the root says; copies, clones, snapshots"
        " and backups of the root are not known to us, and one of them opens these persons' keys"
        " out of an old backup of the state database"
    ),
    (
        "the memory of processes that had opened the keys: gone as these end; swap space and dumps"
        " of memory are not examined"
    ),
)

NOT_COVERED = (
    "rows in the home database: they are not sealed",
    "objects of several persons, and archives: they are under their dataset's key, which lives",
    (
        "objects that are not sealed: public ones, those brought home before the boundary had keys,"
        " and those that others than Domicile wrote at home"
    ),
    (
        "names, sizes and attributes of the sealed objects, which still lie at home: a name may"
        " tell whose it is"
    ),
    "the registers and inventories of earlier runs, which name persons as the people table does",
    "data that has not come home, and whatever anybody copied in plaintext",
)


class ShredCertificate(msgspec.Struct, frozen=True):
    """One shred. unreadable: what no longer opens, by home site and dataset, as the last
    verifications proved it; root_proves: what the destruction of the root's versions proves and
    what not, in the root's words; root_weaknesses: settings by which its key could have left it;
    checks: what was looked at afterwards. ledger_size and ledger_root name the tree head under
    which every entry it rests on is found."""

    format: str
    id: str
    boundary: str
    custodian: str
    company: str
    request: str
    persons: int
    pseudonyms_sha256: str
    charter_sha256: str
    tool: str
    issued: str
    sanitization_method: str
    unreadable: tuple[Unreadable, ...]
    root: str
    root_versions: tuple[int, ...]
    boundary_versions: tuple[int, ...]
    root_proves: tuple[str, ...]
    root_weaknesses: tuple[str, ...]
    checks: tuple[Check, ...]
    known_copies: tuple[str, ...]
    not_covered: tuple[str, ...]
    verifiers: tuple[Verifier, ...]
    ledger_origin: str
    ledger_size: int
    ledger_root: str


def unsigned_shred(data: bytes) -> ShredCertificate:
    """The certificate inside an envelope, its signature not checked."""
    document = msgspec.json.decode(data, type=dict[str, object])
    return msgspec.json.decode(base64.b64decode(str(document["payload"])), type=ShredCertificate)
