"""What lies where: the estate's sites, runs and their immutable files, rules per table, shards."""

from domicile.inventory.archives import Archives, memberships, writing
from domicile.inventory.deciding import dataset_name, rules_for
from domicile.inventory.estate import Estate, Job
from domicile.inventory.evidence import (
    Evidence,
    RunEntries,
    ledger_directory,
    quorum,
    read_run,
)
from domicile.inventory.files import (
    announce,
    announced_body,
    digest_under,
    read_batches,
    write_bytes,
    write_parquet,
)
from domicile.inventory.progress import Progress, Quiet
from domicile.inventory.projection import Projection, project
from domicile.inventory.references import Closure, Condition, close_references, in_keys
from domicile.inventory.runs import Run, new_run_id
from domicile.inventory.schema import FOUND
from domicile.inventory.sessions import (
    listed_session,
    member_session,
    open_member_session,
    read_rules,
)
from domicile.inventory.soft import Reference, SoftReference
from domicile.inventory.standbys import find_standbys, replay_lacking
from domicile.inventory.tables import (
    DatabaseRules,
    TableRules,
    identity,
)
from domicile.inventory.workers import (
    Crew,
    Outcome,
    Workplace,
    make_executor,
    run_all,
    workplace,
)

__all__ = [
    "FOUND",
    "Archives",
    "Closure",
    "Condition",
    "Crew",
    "DatabaseRules",
    "Estate",
    "Evidence",
    "Job",
    "Outcome",
    "Progress",
    "Projection",
    "Quiet",
    "Reference",
    "Run",
    "RunEntries",
    "SoftReference",
    "TableRules",
    "Workplace",
    "announce",
    "announced_body",
    "close_references",
    "dataset_name",
    "digest_under",
    "find_standbys",
    "identity",
    "in_keys",
    "ledger_directory",
    "listed_session",
    "make_executor",
    "member_session",
    "memberships",
    "new_run_id",
    "open_member_session",
    "project",
    "quorum",
    "read_batches",
    "read_rules",
    "read_run",
    "replay_lacking",
    "rules_for",
    "run_all",
    "workplace",
    "write_bytes",
    "write_parquet",
    "writing",
]
