"""Waiting for a keeper, but not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["within"]

_Result = TypeVar("_Result")


def within(timeout_s: float, act: Callable[[], _Result]) -> _Result:
    """What ``act`` gives or raises, if it does so in time, else TimeoutError: ``act`` then goes on
    in a thread of its own, which does not hold up the end of the process."""
    future: Future[_Result] = Future()
    threading.Thread(target=_settle, args=(future, act), daemon=True).start()
    return future.result(timeout_s)


def _settle(future: Future[_Result], act: Callable[[], _Result]) -> None:
    try:
        future.set_result(act())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        future.set_exception(error)
