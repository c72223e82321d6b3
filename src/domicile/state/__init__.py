"""The one SQL database for what changes, and its migrations."""

from domicile.state.database import RunRecord, State

__all__ = ["RunRecord", "State"]
