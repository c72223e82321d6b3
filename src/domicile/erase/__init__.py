"""Leave nothing behind: erase what is proven at home, look again, certify."""

from domicile.erase.allowed import Erasable, erasable
from domicile.erase.certificate import Certificate, Check, Erased, Lack, Verifier, pae
from domicile.erase.certify import unsigned
from domicile.erase.entries import (
    AbsenceChecked,
    Certified,
    ShardBegun,
    ShardErased,
    TablesRewritten,
)
from domicile.erase.held import HeldItems, held_items
from domicile.erase.run import EraseReport, run_erase
from domicile.erase.shred_certificate import ShredCertificate, unsigned_shred
from domicile.erase.unreadable import Unreadable

__all__ = [
    "AbsenceChecked",
    "Certificate",
    "Certified",
    "Check",
    "Erasable",
    "EraseReport",
    "Erased",
    "HeldItems",
    "Lack",
    "ShardBegun",
    "ShardErased",
    "ShredCertificate",
    "TablesRewritten",
    "Unreadable",
    "Verifier",
    "erasable",
    "held_items",
    "pae",
    "run_erase",
    "unsigned",
    "unsigned_shred",
]
