"""Policies in files."""

from __future__ import annotations

from pathlib import Path

from domicile.errors import UsageError
from domicile.policy.texts import PolicyText, built_in

__all__ = ["read_policy"]

_MOST_BYTES = 1 << 20


def read_policy(path: Path | None) -> PolicyText:
    """The policy in a file, checked; without one, that which comes with Domicile. Raises
    UsageError."""
    if path is None:
        return PolicyText.parse(built_in())
    try:
        with path.open("rb") as file:
            return PolicyText.parse(file.read(_MOST_BYTES).decode())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"{path} cannot be read ({why})",
            expected="a text of Cedar policies",
            next_step="check the path",
        ) from None
