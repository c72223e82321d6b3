"""Whether a store that denies one object denies all: an object's own ACL, a policy about its key
or a key service says no to one, a wrong access key to each. Only the first fails alone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

from domicile.errors import ObjectWithheld, SiteMissing, SiteRefused
from domicile.sites.objects.model import ObjectVersion
from domicile.sites.objects.s3_connection import Connection
from domicile.sites.objects.s3_errors import AccessDenied
from domicile.sites.objects.s3_read import version_query

__all__ = ["Denials", "withheld"]

_TRIED = 3
"""Versions at the bucket's beginning, and as many behind the key that is denied."""
_Listing = Callable[[str], Iterator[list[ObjectVersion]]]
_Named = tuple[str, str]  # a key, and the query that names its version


class Denials:
    """Tells what is denied alone, by reading something else."""

    def __init__(self) -> None:
        self._given: _Named | None = None  # what was read last

    def given(self, key: str, version_id: str | None) -> None:
        """Take note of what was given out."""
        self._given = (key, version_query(version_id))

    async def is_alone(self, connection: Connection, listing: _Listing, key: str) -> bool:
        """Whether another object can be read now: the last that could be, or one of some that the
        bucket lists. listing: what comes after a key."""
        known = self._given
        if known is not None and known[0] != key and await _may_read(connection, *known):
            return True
        others = await asyncio.to_thread(lambda: [*_others(listing, ""), *_others(listing, key)])
        for other in dict.fromkeys(others):
            if other[0] != key and await _may_read(connection, *other):
                return True
        return False


def _others(listing: _Listing, after: str) -> list[_Named]:
    page = next(listing(after), [])
    versions = (version for version in page if not version.is_marker)
    some = itertools.islice(versions, _TRIED)
    return [(version.key, version_query(version.version_id)) for version in some]


async def _may_read(connection: Connection, key: str, query: str) -> bool:
    """One byte is asked for. What isn't there says nothing: Ceph tells so before it looks at any
    policy."""
    headers = {"range": "bytes=0-0"}
    try:
        answer = await connection.send("GET", key, "reading a probe", query=query, headers=headers)
    except (AccessDenied, SiteMissing):
        return False
    except SiteRefused:  # it is empty, archived, or under another key
        return True
    answer.close()
    return True


def withheld(denied: AccessDenied) -> ObjectWithheld:
    """The same of one object."""
    return ObjectWithheld(
        denied.failed,
        expected="an object that these credentials may read, as others here",
        next_step="see its ACL, the bucket's policy and the key service; then scan again",
    )
