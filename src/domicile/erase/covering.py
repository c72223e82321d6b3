"""What lies on top of what: an item that hides an older version of its key goes only with that
one, or what was replaced or deleted could be read by its key again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from domicile.sites.objects import DeleteFailure, Hold, ObjectVersion, VersionRef

__all__ = ["goes_last", "stays_on_top"]

_UNVERIFIED = "it was not verified"


def goes_last(items: Iterable[tuple[VersionRef, bool]]) -> set[VersionRef]:
    """Those of these items (with whether each is a delete marker, a key's newest first) that may
    hide others of their key: the newest and the markers, where a key has several items."""
    of_key: dict[str, list[tuple[VersionRef, bool]]] = {}
    for item in items:
        of_key.setdefault(item[0].key, []).append(item)
    return {
        ref
        for found in of_key.values()
        if len(found) > 1
        for place, (ref, is_marker) in enumerate(found)
        if place == 0 or is_marker
    }


def stays_on_top(
    versions: Sequence[ObjectVersion],
    going: Collection[VersionRef],
    why: Mapping[VersionRef, DeleteFailure],
) -> dict[VersionRef, DeleteFailure]:
    """Those of what is going that stay for the sake of a version under them. versions: what a key
    has now, newest first. why: for what reasons others stay. A marker stays over any version; a
    version stays where it is the current one, and would give way to an older one."""
    stays: dict[VersionRef, DeleteFailure] = {}
    under: list[VersionRef] = []
    is_hidden = True
    for version in reversed(versions):
        ref = VersionRef(version.key, version.version_id)
        if ref in going and (version.is_marker or (version.is_latest and not is_hidden)) and under:
            stays[ref] = _for_the_sake(ref, under, why)
        if ref not in going:
            is_hidden = version.is_marker
            under += [] if version.is_marker else [ref]
        elif ref in stays:
            is_hidden = version.is_marker
    return stays


def _for_the_sake(
    ref: VersionRef, under: Sequence[VersionRef], why: Mapping[VersionRef, DeleteFailure]
) -> DeleteFailure:
    """Held where all that is under it is, until the last of these holds has ended."""
    reasons = [why.get(one, DeleteFailure(one, _UNVERIFIED)) for one in under]
    failed = next((one for one in reasons if one.hold is None), reasons[-1])
    reason = f"a version of its key stays ({failed.reason})"
    if failed.hold is None:
        return DeleteFailure(ref, reason)
    ends = [one.hold.until for one in reasons if one.hold]
    known = [end for end in ends if end is not None]
    until = max(known) if len(known) == len(ends) else None
    return DeleteFailure(ref, reason, Hold("its key has a held version", until))
