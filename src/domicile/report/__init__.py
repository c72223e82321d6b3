"""What a person or a regulator is shown. Claims come from inventory and ledger alone."""

from domicile.report.html import render_certificate, render_report
from domicile.report.load import load_status
from domicile.report.model import CertificateView, LedgerView, Snapshot, Status, Verdict
from domicile.report.terminal import (
    TextTable,
    look_lines,
    shred_lines,
    state_rows,
    status_rows,
    verdict_lines,
)

__all__ = [
    "CertificateView",
    "LedgerView",
    "Snapshot",
    "Status",
    "TextTable",
    "Verdict",
    "load_status",
    "look_lines",
    "render_certificate",
    "render_report",
    "shred_lines",
    "state_rows",
    "status_rows",
    "verdict_lines",
]
