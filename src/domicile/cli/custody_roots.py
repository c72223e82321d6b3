"""What commands on a root share: the root that the charter names, and who approves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from domicile.charter import FileKeys, KeysConfig
from domicile.cli.custody_notes import read_notes
from domicile.cli.session import Session
from domicile.custody.approval import Approver, QuorumApprover
from domicile.errors import UsageError
from domicile.inventory import Evidence

__all__ = ["approvals_option", "approver_of", "ask_custodians", "file_keys"]

F = TypeVar("F", bound=Callable[..., Any])


def approvals_option(function: F) -> F:
    """``--approval``."""
    return click.option(
        "--approval",
        "approvals",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        help="What the custodians signed, where the charter says that they must.",
    )(function)


def ask_custodians(session: Session, evidence: Evidence, notes: Sequence[Path]) -> None:
    """Have the command's operations on the root wait for the custodians' approval, where the
    charter in force names any."""
    if session.estate.seals:
        session.estate.approver = approver_of(session, evidence, notes)


def approver_of(session: Session, evidence: Evidence, notes: Sequence[Path]) -> Approver | None:
    """Who must approve operations on the boundary's root; None where nobody must."""
    standing = evidence.standing()
    custodians = standing.operators
    if custodians is None:
        return None
    place = session.loaded.charter.ledger_origin, session.estate.boundary_name
    used, signed = standing.read.nonces, read_notes(notes)
    return QuorumApprover(custodians, place, signed, used, evidence.record_once)


def file_keys(session: Session) -> FileKeys:
    """Where the boundary's file root lies. Raises UsageError where it has none."""
    keys: KeysConfig | None = session.estate.boundary.keys
    if not isinstance(keys, FileKeys):
        raise UsageError(
            "the charter names no root in a file",
            expected='[boundaries.NAME.keys] with root = "file"',
            next_step="another keeper has its own means of backup: see docs/custody.md",
        )
    return keys
