"""Root keys in files whose passphrase is stretched in a millisecond: nobody guesses at a test's.

Only a file that is made says how it is derived, so that what is opened is what was made; and only
a process that calls this makes such files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from domicile.custody import file_root

__all__ = ["cheap_roots", "derive_cheaply"]


def derive_cheaply() -> None:
    """From now on in this process."""
    file_root._new_argon2 = lambda: file_root._Argon2(
        os.urandom(file_root._SALT_BYTES), passes=1, lanes=1, memory_kib=512
    )


@pytest.fixture(scope="session", autouse=True)
def cheap_roots() -> Iterator[None]:
    """In the tests' own process."""
    costly = file_root._new_argon2
    derive_cheaply()
    yield
    file_root._new_argon2 = costly
