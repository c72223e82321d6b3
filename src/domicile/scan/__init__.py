"""Find it: walk tables and objects, attribute, count. Reads only."""

from domicile.scan.objects import ObjectCount, list_objects
from domicile.scan.run import read_scan, run_scan
from domicile.scan.summary import ScanSummary, SiteInfo
from domicile.scan.tables import TableCount, count_tables

__all__ = [
    "ObjectCount",
    "ScanSummary",
    "SiteInfo",
    "TableCount",
    "count_tables",
    "list_objects",
    "read_scan",
    "run_scan",
]
