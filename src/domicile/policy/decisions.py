"""The answer to a question, with the policies that decided, the facts they used and the next step.
Pure.

A policy that can't be evaluated decides nothing in Cedar, not even where it would forbid: here its
error denies. So does a question that no policy answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import cedarpy
import msgspec

from domicile.policy.entries import Asked
from domicile.policy.obligations import Obligations, merge
from domicile.policy.texts import PolicyText, Rule

__all__ = ["NOTHING_ALLOWS", "UNSOUND", "Decision", "Engine", "classification"]

NOTHING_ALLOWS = "nothing-allows-it"
UNSOUND = "policy-error"
_HOLE = re.compile(r"\{([^{}]*)\}")
_MOST_KEPT = 100_000
_SPOKEN = {"company": "the company", "custodian": "the custodian", "other": "somebody else"}
_UNKNOWN = {"context.country": "an unknown country", "context.purpose": "PURPOSE"}
_NOTHING = (
    "no policy allows {action} to staff of {principal.employed_by} in {context.country} for"
    " {context.purpose}"
)
_ASK = (
    "ask with `domicile access request --dataset {resource} --action {action}"
    " --purpose {context.purpose}`"
)


class Decision(msgspec.Struct, frozen=True):
    """What was decided. policies: those that decided, by their ids. facts: what they looked at.
    because, next_step: in words. obligations: what an allowed access must keep to."""

    allowed: bool
    policies: tuple[str, ...]
    facts: Mapping[str, str]
    because: str
    next_step: str
    obligations: Obligations = Obligations()

    @property
    def sentence(self) -> str:
        """The decision as every error and page tells it."""
        word = "allowed" if self.allowed else "denied"
        text = f"{word} by {', '.join(self.policies)}: {self.because}"
        return text if self.allowed or not self.next_step else f"{text}; {self.next_step}"


class Engine:
    """A policy, ready to be asked. Answers are kept by the question: the same facts have the same
    answer, as long as the policy does not ask what time it is. Usable from several threads."""

    def __init__(self, text: PolicyText) -> None:
        self.text = text
        self._tells_time = text.tells_time
        self._kept: dict[tuple[Asked, int], Decision] = {}
        self.decided: set[str] = set()
        """The policies that decided anything so far."""

    def decide(self, asked: Asked, minute: int) -> Decision:
        """Answer a question, asked in this minute since 1970."""
        key = asked, minute if self._tells_time else 0
        found = self._kept.get(key)
        if found is None:
            found = self._ask(asked, minute)
            self.decided.update(found.policies)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found

    def _ask(self, asked: Asked, minute: int) -> Decision:
        context = _context(asked, minute)
        request = {
            "principal": {"type": "Staff", "id": asked.staff},
            "action": {"type": "Action", "id": asked.action},
            "resource": {"type": "Dataset", "id": asked.dataset},
            "context": context,
        }
        answer = cedarpy.is_authorized(request, self.text.parsed, list(_entities(asked)))
        facts = _facts(asked, context)
        if answer.diagnostics.errors:
            return _unsound()
        rules = [self.text.rules[name] for name in sorted(answer.diagnostics.reasons, key=_number)]
        allowed = answer.decision == cedarpy.Decision.Allow
        return _decision(rules, facts, allowed=allowed)


def classification(labels: tuple[str, ...]) -> str:
    """The strictest that is among a dataset's labels."""
    found = (word for word in ("protected", "excepted", "public") if word in labels)
    return next(found, "protected")


def _decision(rules: list[Rule], facts: Mapping[str, str], *, allowed: bool) -> Decision:
    if not rules:
        return Decision(
            allowed=False,
            policies=(NOTHING_ALLOWS,),
            facts=facts,
            because=_fill(_NOTHING, facts),
            next_step=_fill(_ASK, facts),
        )
    told = (fact for rule in rules for fact in (*rule.looks_at, *_HOLE.findall(rule.because)))
    looked_at = dict.fromkeys(told)
    used = {fact: facts[fact] for fact in looked_at if fact in facts}
    because = "; ".join(_fill(rule.because, facts) or _listed(rule, facts) for rule in rules)
    steps = dict.fromkeys(_fill(rule.next_step, facts) for rule in rules if rule.next_step)
    return Decision(
        allowed,
        tuple(rule.id for rule in rules),
        used,
        because,
        "" if allowed else "; ".join(steps) or _fill(_ASK, facts),
        merge(rule.obligations for rule in rules) if allowed else Obligations(),
    )


def _unsound() -> Decision:
    return Decision(
        allowed=False,
        policies=(UNSOUND,),
        facts={},
        because="a policy could not be evaluated",
        next_step="have the custodian run `domicile policy check`",
    )


def _fill(sentence: str, facts: Mapping[str, str]) -> str:
    def told(hole: re.Match[str]) -> str:
        value = facts.get(hole[1], "0" if hole[1].endswith("approvals") else "")
        return _spoken(value) or _UNKNOWN.get(hole[1], "none")

    return _HOLE.sub(told, sentence)


def _spoken(value: str) -> str:
    return _SPOKEN.get(value, value)


def _listed(rule: Rule, facts: Mapping[str, str]) -> str:
    """Where a policy does not say why: what it looked at."""
    return ", ".join(f"{fact} is {facts[fact]}" for fact in rule.looks_at if fact in facts)


def _context(asked: Asked, minute: int) -> dict[str, Any]:
    context: dict[str, Any] = {
        "purpose": asked.purpose,
        "ticket": asked.ticket,
        "country": asked.country,
        "inside": asked.inside,
        "second_factor": asked.second_factor,
        "single": asked.single,
        "minute": minute,
    }
    if asked.grant:
        context["grant"] = {
            "id": asked.grant,
            "approvals": asked.approvals,
            "break_glass": asked.break_glass,
        }
    return context


def _entities(asked: Asked) -> Iterator[dict[str, Any]]:
    categories = [label for label in asked.labels if label not in _CLASSES]
    yield {
        "uid": {"type": "Staff", "id": asked.staff},
        "attrs": {
            "kind": asked.kind,
            "team": asked.team,
            "employed_by": asked.employed_by,
            "country": asked.home_country,
            "roles": list(asked.roles),
        },
        "parents": [],
    }
    yield {
        "uid": {"type": "Dataset", "id": asked.dataset},
        "attrs": {"classification": classification(asked.labels)},
        "parents": [{"type": "Category", "id": one} for one in categories],
    }
    for category in sorted(set(_upwards(categories))):
        above, _, _ = category.rpartition(".")
        parents = [{"type": "Category", "id": above}] if above else []
        yield {"uid": {"type": "Category", "id": category}, "attrs": {}, "parents": parents}


_CLASSES = frozenset({"protected", "public", "excepted"})


def _upwards(categories: list[str]) -> Iterator[str]:
    """Each category, and those that it lies in."""
    for category in categories:
        parts = category.split(".")
        yield from (".".join(parts[: depth + 1]) for depth in range(len(parts)))


def _facts(asked: Asked, context: Mapping[str, Any]) -> dict[str, str]:
    facts = {
        "action": asked.action,
        "resource": asked.dataset,
        "principal.kind": asked.kind,
        "principal.team": asked.team,
        "principal.employed_by": asked.employed_by,
        "principal.country": asked.home_country,
        "principal.roles": ", ".join(asked.roles),
        "resource.classification": classification(asked.labels),
    }
    for name, value in context.items():
        if isinstance(value, dict):
            facts[f"context.{name}"] = str(value["id"])
            facts |= {f"context.{name}.{key}": _word(part) for key, part in value.items()}
        else:
            facts[f"context.{name}"] = _word(value)
    return facts


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _number(name: str) -> int:
    return int(name.removeprefix("policy"))
