"""The list of persons that commands take: from a file or standard input, never as arguments, which
every process on the machine can see."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeVar

import click

from domicile.cli.session import Session
from domicile.errors import UsageError
from domicile.people import listed_persons

__all__ = ["persons_option", "read_persons"]

F = TypeVar("F", bound=Callable[..., Any])
_MOST_BYTES = 1 << 30
_LONGEST_LINE = 64 << 10


def persons_option(function: F) -> F:
    """``--persons-from``."""
    return click.option(
        "--persons-from",
        "source",
        required=True,
        metavar="FILE",
        help="The list of persons: a line each, as the register of members has them (a composite"
        " key as a JSON array); - is standard input.",
    )(function)


def read_persons(session: Session, source: str) -> dict[str, int]:
    """Each person of the list, with their line's number. Raises UsageError as `listed_persons`."""
    key = session.loaded.charter.people.key
    try:
        if source == "-":
            return listed_persons(_lines(sys.stdin.buffer), key)
        with open(source, "rb") as file:  # noqa: PTH123 - it may be a pipe's descriptor
            if os.fstat(file.fileno()).st_size > _MOST_BYTES:
                raise _unreadable("it is larger than 1 GiB")
            return listed_persons(_lines(file), key)
    except OSError as error:
        raise _unreadable(error.strerror or type(error).__name__) from None


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines in bounded memory: of one without an end, pieces that are no person's key."""
    return iter(lambda: file.readline(_LONGEST_LINE), b"")


def _unreadable(why: str) -> UsageError:
    return UsageError(
        f"the list of persons cannot be read ({why})",
        expected="a file, or - for standard input",
        next_step="name it with --persons-from; persons themselves never stand on a command line",
    )
