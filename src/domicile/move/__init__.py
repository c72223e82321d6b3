"""Bring it home: plan, copy, verify."""

from domicile.move.bindings import Bindings
from domicile.move.entries import ShardVerified, verified_claim
from domicile.move.history import is_of_objects, recorded_plan, recorded_proofs
from domicile.move.opening import Opened, run_open
from domicile.move.plan import ObjectShard, Plan, RowShard
from domicile.move.planning import make_plan, read_plan
from domicile.move.queries import in_range, same_key
from domicile.move.row_proof import ahead_of_home, shard_digest, site_digest
from domicile.move.rows import KEYS_TABLE, load_keys
from domicile.move.run import StepReport, run_move, run_verify
from domicile.move.standing import latest_verified

__all__ = [
    "KEYS_TABLE",
    "Bindings",
    "ObjectShard",
    "Opened",
    "Plan",
    "RowShard",
    "ShardVerified",
    "StepReport",
    "ahead_of_home",
    "in_range",
    "is_of_objects",
    "latest_verified",
    "load_keys",
    "make_plan",
    "read_plan",
    "recorded_plan",
    "recorded_proofs",
    "run_move",
    "run_open",
    "run_verify",
    "same_key",
    "shard_digest",
    "site_digest",
    "verified_claim",
]
