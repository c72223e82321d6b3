"""The one SQL database for what changes, and its migrations."""

from domicile.state.database import (
    BOUNDARY_KEYS,
    CONDEMNED_KEYS,
    DATA_KEYS,
    PSEUDONYMS,
    RunRecord,
    State,
)

__all__ = ["BOUNDARY_KEYS", "CONDEMNED_KEYS", "DATA_KEYS", "PSEUDONYMS", "RunRecord", "State"]
