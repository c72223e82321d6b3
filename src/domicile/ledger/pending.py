"""A request on its way through the sequencer, and what its caller holds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

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

    __slots__ = ("_count", "_durable", "_hurry", "_integrated")

    def __init__(self, count: int, hurry: Callable[[], None]) -> None:
        self._count, self._hurry = count, hurry
        self._durable, self._integrated = _Answer(), _Answer()

    def durable(self, timeout_s: float | None = None) -> list[int]:
        """Wait until the entries are durable; their indices. Raises SiteRefused where they were
        not recorded, or (the message says so) where that is unknown; TimeoutError."""
        first = self._durable.wait(timeout_s)
        return list(range(first, first + self._count))

    def integrated(self, timeout_s: float | None = None) -> int:
        """Wait until a published checkpoint covers the entries; its size. Raises like `durable`."""
        self._hurry()
        return self._integrated.wait(timeout_s)

    def tell(self, pending: Pending, error: DomicileError | None) -> None:
        """For the sequencer."""
        self._durable.give(pending.first, error)
        if error is not None or pending.size:
            self._integrated.give(pending.size, error)


class _Answer:
    """Given once, waited for by anybody. A bare lock: a sequencer gives two of them a request."""

    __slots__ = ("_error", "_gate", "_is_given", "_value")

    def __init__(self) -> None:
        self._gate = Lock()
        self._gate.acquire()  # until the answer is given
        self._is_given = False
        self._value = 0
        self._error: DomicileError | None = None

    def give(self, value: int, error: DomicileError | None) -> None:
        """The first answer stands."""
        if not self._is_given:
            self._value, self._error = value, error
            self._is_given = True
            self._gate.release()

    def wait(self, timeout_s: float | None) -> int:
        """The answer. Raises the error that it was, TimeoutError."""
        if not self._is_given:
            if not self._gate.acquire(timeout=-1 if timeout_s is None else max(timeout_s, 0)):
                raise TimeoutError
            self._gate.release()  # for whoever else waits
        if self._error is not None:
            raise self._error
        return self._value
