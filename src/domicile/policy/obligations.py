"""What an allowed access must keep to: annotations of the policies that allowed it. Pure.

=============  ============================  ==========================================
annotation     value                         several merge to
=============  ============================  ==========================================
``@mask``      categories or columns, `a,b`  all of them
``@items``     a number                      the least
``@bytes``     a number                      the least
``@sample``    a share, `0.01`               the least
``@seal``      `query`                       sealed, if any says so
=============  ============================  ==========================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from domicile.errors import UsageError
from domicile.policy.entries import Caps

__all__ = ["OBLIGATIONS", "Obligations", "merge", "read_obligations"]

OBLIGATIONS = ("mask", "items", "bytes", "sample", "seal")
_MASKED = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*\Z")
_SHARE = re.compile(r"0\.\d{1,9}\Z|1\Z")
_NUMBER = re.compile(r"[0-9]{1,15}\Z")


class Obligations(msgspec.Struct, frozen=True):
    """mask: categories or columns that are not shown. items, size_bytes: at most so many. sample:
    the share of items that is given. seal_query: whether the record of the query is sealed."""

    mask: frozenset[str] = frozenset()
    items: int | None = None
    size_bytes: int | None = None
    sample: float = 1.0
    seal_query: bool = False

    def within(self, caps: Caps) -> Caps:
        """The caps of a grant, and no more than this."""
        return Caps(_least(self.items, caps.items), _least(self.size_bytes, caps.size_bytes))


def read_obligations(policy: str, annotations: Mapping[str, str]) -> Obligations:
    """What one policy's annotations say. Raises UsageError where a value is none."""

    def value(name: str, pattern: re.Pattern[str], expected: str) -> str | None:
        text = annotations.get(name)
        if text is not None and not pattern.match(text):
            raise UsageError(
                f"policy {policy}: @{name} is {text!r}",
                expected=expected,
                next_step="correct the annotation",
            )
        return text

    masked = [part.strip() for part in annotations.get("mask", "").split(",") if part.strip()]
    wrong = [part for part in masked if not _MASKED.match(part)]
    if wrong or ("mask" in annotations and not masked):
        value("mask", re.compile(r"(?!)"), "categories or columns, `user.contact.email,phone`")
    items = value("items", _NUMBER, "a whole number")
    size = value("bytes", _NUMBER, "a whole number")
    sample = value("sample", _SHARE, "a share above 0, up to 1: `0.01`")
    sealed = value("seal", re.compile(r"query\Z"), "`query`")
    return Obligations(
        frozenset(masked),
        None if items is None else int(items),
        None if size is None else int(size),
        1.0 if sample is None else float(sample),
        sealed is not None,
    )


def merge(several: Iterable[Obligations]) -> Obligations:
    """All of them at once: the strictest of each."""
    merged = Obligations()
    for one in several:
        merged = Obligations(
            merged.mask | one.mask,
            _least(merged.items, one.items),
            _least(merged.size_bytes, one.size_bytes),
            min(merged.sample, one.sample),
            merged.seal_query or one.seal_query,
        )
    return merged


def _least(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)
