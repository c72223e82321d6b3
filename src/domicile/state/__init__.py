"""The one SQL database for what changes, and its migrations."""

from domicile.state.database import (
    BOUNDARY_KEYS,
    CONDEMNED_KEYS,
    DATA_KEYS,
    ERASED_PERSONS,
    ERASED_SUBJECTS,
    PSEUDONYMS,
    SHRED_SUBJECTS,
    SHREDS,
    RunRecord,
    State,
)

__all__ = [
    "BOUNDARY_KEYS",
    "CONDEMNED_KEYS",
    "DATA_KEYS",
    "ERASED_PERSONS",
    "ERASED_SUBJECTS",
    "PSEUDONYMS",
    "SHREDS",
    "SHRED_SUBJECTS",
    "RunRecord",
    "State",
]
