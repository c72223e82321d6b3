"""What buckets do by themselves to what lies in them: named by the plan, and at home in its way."""

from __future__ import annotations

from collections.abc import Iterator

from domicile.inventory import Estate, Run, read_batches
from domicile.sites.objects import BucketRule

__all__ = ["rule_blockers", "rule_warnings"]

_AWAY = {
    "replication": "is replicated to {what!r}: what the charter does not name is not examined",
    "logging": "logs who asks for which key to {what!r}: not examined",
    "expiration": "expires objects under {prefix!r} by its lifecycle rule {what!r}",
    "archive": "archives objects under {prefix!r} by its lifecycle rule {what!r}: those must be"
    " restored before they can be read",
    "unseen": "does not show its {what} rules: whether there are any is not examined",
}


def rule_blockers(estate: Estate, run: Run) -> list[str]:
    """Why what comes home would not stay there."""
    home = estate.home_objects
    expiring = [] if home is None else _of_kind(estate.objects(home).rules(), "expiration")
    return [
        f"{home} expires objects under {rule.prefix[:80]!r} by its lifecycle rule"
        f" {rule.what[:80]!r}: what comes home would be lost; narrow the rule or turn it off"
        for rule in expiring
        if any(key.startswith(rule.prefix) for key in _members_keys(estate, run))
    ]


def rule_warnings(estate: Estate) -> Iterator[str]:
    """What every store does by itself, but for what blocks the plan."""
    for site in estate.object_names:
        for rule in estate.objects(site).rules():
            if not (rule.kind == "expiration" and site == estate.home_objects):
                said = _AWAY[rule.kind].format(what=rule.what[:80], prefix=rule.prefix[:80])
                yield f"{site} {said}"


def _of_kind(rules: list[BucketRule], kind: str) -> list[BucketRule]:
    return [rule for rule in rules if rule.kind == kind]


def _members_keys(estate: Estate, run: Run) -> Iterator[str]:
    for site in estate.outside(estate.object_names):
        for row in read_batches(run.found(site), ["key", "state"]):
            if row["state"] == "member":
                yield str(row["key"])
