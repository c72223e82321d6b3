"""A request on its way through the sequencer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domicile.errors import DomicileError
from domicile.ledger.journal import Request

__all__ = ["Pending"]


@dataclass(slots=True, eq=False)
class Pending:
    """A request on its way. tell is called from the sequencer's threads: once when it is durable
    (size 0), and then once when it is integrated; or with an error instead. first: the index of
    its first entry, once it is durable. size: that of the checkpoint that covers it. is_urgent:
    somebody waits for that checkpoint. is_new: it is no repetition. is_told: whoever sent it has
    been told all that there is to tell."""

    request: Request
    tell: Callable[[Pending, DomicileError | None], None]
    is_urgent: bool = False
    is_new: bool = False
    is_told: bool = False
    first: int = -1
    size: int = 0
