"""A policy's text: parsed, held against the schema, and what each of its policies is called, says
and looks at. Pure.

Beyond what Cedar asks, every policy has an ``@id`` of its own, by which decisions name it, and may
have ``@because`` and ``@next``: sentences in which ``{principal.team}`` stands for that fact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import cedarpy

from domicile.errors import UsageError
from domicile.policy.obligations import OBLIGATIONS, Obligations, read_obligations

__all__ = ["FACTS", "PolicyText", "Rule", "built_in", "schema_text"]

FACTS = (
    "action",
    "resource",
    "principal.kind",
    "principal.team",
    "principal.employed_by",
    "principal.country",
    "principal.roles",
    "resource.classification",
    "context.purpose",
    "context.ticket",
    "context.country",
    "context.inside",
    "context.second_factor",
    "context.single",
    "context.minute",
    "context.grant",
    "context.grant.id",
    "context.grant.approvals",
    "context.grant.break_glass",
)
"""The facts that sentences can name, and decisions show."""
_LONGEST = 1 << 18  # characters
_MOST = 1_000
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_HOLE = re.compile(r"\{([^{}]*)\}")
_KNOWN = frozenset({"id", "because", "next", *OBLIGATIONS})


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy. looks_at: the facts that its conditions mention, in order."""

    id: str
    effect: str
    because: str
    next_step: str
    obligations: Obligations
    looks_at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A whole text. rules: by the names that Cedar gives them (``policy0``)."""

    text: str
    sha256: str
    parsed: cedarpy.PolicySet
    rules: Mapping[str, Rule]

    @classmethod
    def parse(cls, text: str) -> PolicyText:
        """Parse and check a text. Raises UsageError, which names everything that is wrong."""
        if len(text) > _LONGEST:
            raise _wrong(f"it has more than {_LONGEST:,} characters")
        try:
            tree = json.loads(cedarpy.policies_to_json_str(text))
            parsed = cedarpy.PolicySet.from_str(text)
        except ValueError as error:
            raise _wrong(str(error)) from None
        if tree["templates"]:
            raise _wrong("it has templates, which nothing fills in")
        policies = tree["staticPolicies"]
        if not 0 < len(policies) <= _MOST:
            raise _wrong(f"it has {len(policies):,} policies, of 1 to {_MOST:,}")
        rules = {name: _rule(name, policy) for name, policy in policies.items()}
        names = [rule.id for rule in rules.values()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise _wrong(f"two policies are called {', '.join(twice)}")
        unsound = list(_against_schema(text, rules))
        if unsound:
            raise _wrong("; ".join(unsound))
        return cls(text, sha256(text.encode()).hexdigest(), parsed, rules)

    @property
    def tells_time(self) -> bool:
        """Whether an answer depends on when it is asked."""
        return any("context.minute" in rule.looks_at for rule in self.rules.values())


@cache
def schema_text() -> str:
    """The schema that every text is held against."""
    return (files(__package__) / "packs" / "schema.cedarschema").read_text()


def built_in() -> str:
    """The text that comes with Domicile. Like any, it takes effect once custodians signed it."""
    return (files(__package__) / "packs" / "programme.cedar").read_text()


def _against_schema(text: str, rules: Mapping[str, Rule]) -> Iterator[str]:
    for error in cedarpy.validate_policies(text, schema_text()).errors:
        rule = rules.get(error.policy_id)
        yield f"{rule.id if rule else error.policy_id}: {error.error}"


def _rule(name: str, policy: Mapping[str, Any]) -> Rule:
    annotations = policy.get("annotations", {})
    called = annotations.get("id", "")
    if not _ID.match(called):
        raise _wrong(f"{name} has the @id {called!r}", "an @id of a-z, 0-9 and -")
    strange = sorted(set(annotations) - _KNOWN)
    if strange:
        known = ", ".join(f"@{one}" for one in sorted(_KNOWN))
        raise _wrong(f"{called} has @{strange[0]}, which nothing reads", known)
    if policy["effect"] == "forbid" and set(annotations) & set(OBLIGATIONS):
        raise _wrong(f"{called} forbids, and has obligations", "obligations of what permits")
    because, following = (annotations.get(key) or "" for key in ("because", "next"))
    for sentence in (because, following):
        for hole in _HOLE.findall(sentence):
            if hole not in FACTS:
                raise _wrong(f"{called} tells of {{{hole}}}", "one of " + ", ".join(FACTS))
    return Rule(
        called,
        policy["effect"],
        because,
        following,
        read_obligations(called, annotations),
        tuple(dict.fromkeys(_mentioned(policy.get("conditions", [])))),
    )


def _mentioned(tree: Any) -> Iterator[str]:  # noqa: ANN401 - Cedar's JSON
    """The facts that an expression mentions."""
    if isinstance(tree, list):
        for part in tree:
            yield from _mentioned(part)
    elif isinstance(tree, dict):
        path = _path(tree)
        if path in FACTS:
            yield path
            return
        for part in tree.values():
            yield from _mentioned(part)


def _path(tree: Any) -> str:  # noqa: ANN401 - Cedar's JSON
    if not isinstance(tree, dict):
        return ""
    if set(tree) == {"Var"}:
        return str(tree["Var"])
    (inner,) = tree.values() if len(tree) == 1 else (None,)
    if set(tree) <= {".", "has"} and isinstance(inner, dict) and "attr" in inner:
        before = _path(inner["left"])
        return f"{before}.{inner['attr']}" if before else ""
    return ""


def _wrong(failed: str, expected: str = "") -> UsageError:
    return UsageError(
        f"the policy is not sound: {failed}",
        expected=expected or "Cedar policies that fit the schema, each with an @id",
        next_step="correct the text, then run `domicile policy check`",
    )
