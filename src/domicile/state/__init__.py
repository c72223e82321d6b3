"""The one SQL database for what changes, and its migrations."""

from domicile.state.database import PSEUDONYMS, RunRecord, State

__all__ = ["PSEUDONYMS", "RunRecord", "State"]
