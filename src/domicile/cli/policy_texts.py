"""Policies in files, and who lets them take effect."""

from __future__ import annotations

from pathlib import Path

from domicile.charter import Custodians
from domicile.errors import UsageError
from domicile.inventory.standing import CharterStanding
from domicile.policy.texts import PolicyText, built_in

__all__ = ["read_policy", "require_signers"]

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


def require_signers(standing: CharterStanding) -> Custodians:
    """Who must sign for a policy. Raises UsageError where the charter in force names nobody."""
    signers = standing.read.signers_of_policies
    if signers is None:
        raise UsageError(
            "the charter in force names no custodians, so nobody can let a policy take effect",
            expected="[boundaries.NAME.custodians], approved",
            next_step="see docs/custody.md",
        )
    return signers
