"""One page of a bucket's keys, out of what a store lists. Pure but for the store's pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from domicile.gateways.s3.answers import Listed, Page
from domicile.gateways.s3.operations import ListObjects
from domicile.sites.objects import ObjectVersion

__all__ = ["read_page"]

_LAST = "\U0010ffff"
"""Comes behind every other character, in UTF-8 too."""
Pages = Callable[[str], Iterator[Sequence[ObjectVersion]]]
"""The versions of all keys behind one, in pages, in order."""


def read_page(
    asked: ListObjects,
    pages: Pages,
    belongs: Callable[[str], bool],
    shown: Callable[[ObjectVersion], Listed],
) -> Page:
    """The page that was asked for, of the current versions of keys that belong to the bucket. What
    lies within a common prefix is passed over, a request of the store's for it where there is
    much."""
    found = _Found(asked, belongs, shown)
    behind: str | None = asked.after
    while behind is not None:
        behind = _read(pages(behind), found)
    return Page(found.objects, found.prefixes, found.next_after)


def _read(pages: Iterator[Sequence[ObjectVersion]], found: _Found) -> str | None:
    """Behind what to go on, if anything: where a page ends within a common prefix."""
    for page in pages:
        for version in page:
            if not found.take(version):
                return None
        if page and found.within and page[-1].key.startswith(found.within):
            return found.within + _LAST
    return None


class _Found:
    """What a page has by now. within: the common prefix that the last key was within."""

    def __init__(
        self,
        asked: ListObjects,
        belongs: Callable[[str], bool],
        shown: Callable[[ObjectVersion], Listed],
    ) -> None:
        self._asked, self._belongs, self._shown = asked, belongs, shown
        self.objects: list[Listed] = []
        self.prefixes: list[str] = []
        self.next_after = self._last = ""
        is_prefix = bool(asked.delimiter) and asked.after.endswith(asked.delimiter)
        self.within = asked.after if is_prefix else ""

    def take(self, version: ObjectVersion) -> bool:
        """Take in a version; False where the page is full, and this would have been on it."""
        if version.is_marker or not version.is_latest or not self._belongs(version.key):
            return True
        prefix = self._common(version.key)
        if prefix and prefix == self.within:
            return True
        if len(self.objects) + len(self.prefixes) >= self._asked.most:
            self.next_after = self._last
            return False
        self.within = prefix
        self._last = prefix or version.key
        if prefix:
            self.prefixes.append(prefix)
        else:
            self.objects.append(self._shown(version))
        return True

    def _common(self, key: str) -> str:
        """The common prefix that a key is within; empty where it is none's."""
        asked = self._asked
        if not asked.delimiter:
            return ""
        rest = key[len(asked.prefix) :]
        head, found, _ = rest.partition(asked.delimiter)
        return f"{asked.prefix}{head}{found}" if found else ""
