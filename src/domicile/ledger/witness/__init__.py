"""A witness: it co-signs checkpoints of others' logs, and never two that contradict each other.

C2SP tlog-witness. `judge` decides (pure), `memory` remembers durably, `witness` does both in one
step, `server` speaks HTTP.
"""

from __future__ import annotations

from domicile.ledger.witness.watched import watched_logs
from domicile.ledger.witness.witness import Answer, Witness, witness_signers

__all__ = ["Answer", "Witness", "watched_logs", "witness_signers"]
