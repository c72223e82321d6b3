"""What buckets do by themselves to what lies in them, and whom they let in: named by the plan, and
at home in its way."""

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
    "public": "lets everybody in by {what}: who has copies is not examined",
    "shared": "lets {what!r} in: what they copied is not examined",
    "named": "lets {what!r} in by its policy; whether that is somebody else is not examined",
    "acls": "may have ACLs on single objects: they are not read, and whom they let in is not"
    " examined",
    "unseen": "does not show its {what} rules: whether there are any is not examined",
}
_OPEN = frozenset({"public", "shared"})


def rule_blockers(estate: Estate, run: Run) -> list[str]:
    """Why what comes home would not stay there, or not be home's alone."""
    home = estate.home_objects
    rules = [] if home is None else estate.objects(home).rules()
    return [
        *(_expires(home, rule) for rule in rules if _loses(rule, estate, run)),
        *(_opens(home, rule) for rule in dict.fromkeys(rules) if rule.kind in _OPEN),
    ]


def rule_warnings(estate: Estate) -> Iterator[str]:
    """What every store does by itself and whom it lets in, but for what blocks the plan."""
    for site in estate.object_names:
        for rule in dict.fromkeys(estate.objects(site).rules()):
            if site == estate.home_objects and rule.kind in {"expiration", *_OPEN}:
                continue
            said = _AWAY[rule.kind].format(what=rule.what[:80], prefix=rule.prefix[:80])
            yield f"{site} {said}"


def _loses(rule: BucketRule, estate: Estate, run: Run) -> bool:
    return rule.kind == "expiration" and any(
        key.startswith(rule.prefix) for key in _members_keys(estate, run)
    )


def _expires(home: str | None, rule: BucketRule) -> str:
    return (
        f"{home} expires objects under {rule.prefix[:80]!r} by its lifecycle rule"
        f" {rule.what[:80]!r}: what comes home would be lost; narrow the rule or turn it off"
    )


def _opens(home: str | None, rule: BucketRule) -> str:
    who = f"everybody in by {rule.what}" if rule.kind == "public" else f"{rule.what[:80]!r} in"
    return (
        f"{home} lets {who}: what comes home would not be the custodian's alone; take the grant out"
        " of the bucket's ACL or policy"
    )


def _members_keys(estate: Estate, run: Run) -> Iterator[str]:
    for site in estate.outside(estate.object_names):
        for row in read_batches(run.found(site), ["key", "state"]):
            if row["state"] == "member":
                yield str(row["key"])
