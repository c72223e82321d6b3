"""Notices, sent while something is served: what other commands left, and ends that come near."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from domicile.errors import DomicileError
from domicile.policy.office import Office
from domicile.policy.post import Post

__all__ = ["notifying"]

_LOG = logging.getLogger(__name__)
_EVERY_S = 2.0
_PATIENCE_S = 60.0


@contextmanager
def notifying(office: Office, post: Post) -> Iterator[None]:
    """Look every two seconds what is to be told, and tell it, until the end. Requests are answered
    meanwhile; what could not be told stands in the log."""
    over = Event()
    thread = Thread(target=_go_on, args=(office, post, over), name="notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_PATIENCE_S)


def _go_on(office: Office, post: Post, over: Event) -> None:
    while not over.wait(_EVERY_S):
        try:
            batches = office.do(post.collect)
            for line in post.send(batches):
                _LOG.warning("%s", line)
        except DomicileError as error:
            _LOG.warning("notices were not sent: %s", error.failed)
        except Exception:  # noqa: BLE001 - whatever it is, the server goes on
            _LOG.exception("notices were not sent")
