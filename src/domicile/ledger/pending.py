"""A request on its way through the sequencer, and what its caller holds of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from domicile.errors import DomicileError
from domicile.ledger.journal import Request

__all__ = ["Pending", "Receipt"]


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


class Receipt:
    """What a caller in this process holds of its request."""

    def __init__(self, count: int, hurry: Callable[[], None]) -> None:
        self._count, self._hurry = count, hurry
        self._durable: Future[int] = Future()
        self._integrated: Future[int] = Future()

    def durable(self, timeout_s: float | None = None) -> list[int]:
        """Wait until the entries are durable; their indices. Raises SiteRefused where they were
        not recorded, or (the message says so) where that is unknown; TimeoutError."""
        first = _wait(self._durable, timeout_s)
        return list(range(first, first + self._count))

    def integrated(self, timeout_s: float | None = None) -> int:
        """Wait until a published checkpoint covers the entries; its size. Raises like `durable`."""
        self._hurry()
        return _wait(self._integrated, timeout_s)

    def tell(self, pending: Pending, error: DomicileError | None) -> None:
        """For the sequencer."""
        _settle(self._durable, pending.first, error)
        if error is not None or pending.size:
            _settle(self._integrated, pending.size, error)


def _wait(future: Future[int], timeout_s: float | None) -> int:
    try:
        return future.result(timeout_s)
    except FutureTimeoutError:
        raise TimeoutError from None


def _settle(future: Future[int], value: int, error: DomicileError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
