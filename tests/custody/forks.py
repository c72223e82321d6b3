"""Forked children, and what they must keep their hands off."""

from __future__ import annotations

import os
import select
import signal
import traceback
from collections.abc import Callable

PATIENCE_S = 60


def in_child(act: Callable[[], object]) -> str:
    """What ``act`` gives, or raises, in a forked child. Fork where no other thread is at work: what
    it holds just then, the child never gets."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = repr(act())
        except BaseException:  # noqa: BLE001 - the parent judges it
            said = traceback.format_exc()
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        if not select.select([answer], [], [], PATIENCE_S)[0]:
            os.kill(child, signal.SIGKILL)
        said = answer.read()
    os.waitpid(child, 0)
    return said


class OnlyIn:
    """A session or connection that fails the test when a process touches it that did not open
    it."""

    def __init__(self, real: object) -> None:
        self._real, self._process = real, os.getpid()

    def __getattr__(self, name: str) -> object:
        assert os.getpid() == self._process, "the parent's session was used in a child"
        return getattr(self._real, name)
