"""What a store holds under some keys, by listing the stretch that they lie in."""

from __future__ import annotations

from collections.abc import Sequence

from domicile.sites.objects.model import ObjectSite, ObjectVersion

__all__ = ["versions_of"]


def versions_of(site: ObjectSite, keys: Sequence[str]) -> dict[str, list[ObjectVersion]]:
    """The versions and delete markers under each of these keys (in key order), newest first; a key
    that has none is not in it."""
    found: dict[str, list[ObjectVersion]] = {}
    if not keys:
        return found
    wanted = set(keys)
    for page in site.versions(after=keys[0][:-1], until=keys[-1]):
        for version in page:
            if version.key in wanted:
                found.setdefault(version.key, []).append(version)
    return found
