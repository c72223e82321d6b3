"""The one SQL database for what changes, and its migrations."""

from domicile.state.database import (
    BOUNDARY_KEYS,
    CONDEMNED_KEYS,
    DATA_KEYS,
    ERASED_PERSONS,
    ERASED_SUBJECTS,
    NOTIFIED,
    NOTIFIED_ENDS,
    PSEUDONYMS,
    SHRED_SUBJECTS,
    SHREDS,
    WORDS,
    RunRecord,
    State,
)

__all__ = [
    "BOUNDARY_KEYS",
    "CONDEMNED_KEYS",
    "DATA_KEYS",
    "ERASED_PERSONS",
    "ERASED_SUBJECTS",
    "NOTIFIED",
    "NOTIFIED_ENDS",
    "PSEUDONYMS",
    "SHREDS",
    "SHRED_SUBJECTS",
    "WORDS",
    "RunRecord",
    "State",
]
