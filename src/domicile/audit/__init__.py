"""Re-read by an outsider: shards that nobody could choose, with the outsider's own credentials."""

from domicile.audit.choice import chosen_shards, eligible_shards
from domicile.audit.key import AuditKey
from domicile.audit.run import run_audit
from domicile.audit.statement import AUDIT_TYPE, Audited, AuditStatement, read_statement

__all__ = [
    "AUDIT_TYPE",
    "AuditKey",
    "AuditStatement",
    "Audited",
    "chosen_shards",
    "eligible_shards",
    "read_statement",
    "run_audit",
]
