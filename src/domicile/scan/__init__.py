"""Find it: walk tables and objects, attribute, count. Reads only."""

from domicile.scan.archives import ArchiveCount
from domicile.scan.attestation import (
    LARGEST_STATEMENT_BYTES,
    Attestation,
    attestation,
    is_signed,
    record_attestation,
)
from domicile.scan.objects import ObjectCount, list_objects, scan_objects
from domicile.scan.run import read_scan, run_scan
from domicile.scan.summary import ScanSummary, SiteInfo
from domicile.scan.tables import SHOWN, TableCount, count_tables

__all__ = [
    "LARGEST_STATEMENT_BYTES",
    "SHOWN",
    "ArchiveCount",
    "Attestation",
    "ObjectCount",
    "ScanSummary",
    "SiteInfo",
    "TableCount",
    "attestation",
    "count_tables",
    "is_signed",
    "list_objects",
    "read_scan",
    "record_attestation",
    "run_scan",
    "scan_objects",
]
