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
from domicile.policy.grants import AccessRequest

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

    def within(self, grant: AccessRequest | None) -> Caps:
        """What one access may take: of a grant no more than it has left, nor than this in all."""
        if grant is None:
            return Caps(self.items, self.size_bytes)
        left = grant.left()
        return Caps(
            _least(_less(self.items, grant.used_items), left.items),
            _least(_less(self.size_bytes, grant.used_bytes), left.size_bytes),
        )

    @property
    def is_for_gateways(self) -> bool:
        """Whether who gives the data must do more to it than count."""
        return bool(self.mask) or self.sample < 1 or self.seal_query


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


def _less(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(limit - used, 0)


def _least(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)
