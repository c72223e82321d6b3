"""Whose an object is, from its key: templates first match in the charter's order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domicile.charter import Charter, ObjectDataset, Template
from domicile.people import Membership

__all__ = ["Attributed", "Attributor", "KeyLookup", "Verdict", "verdict"]

KeyLookup = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""From keys to the persons whom a database column names for them."""


@dataclass(frozen=True, slots=True)
class Attributed:
    """A key's dataset and its persons (none: a public object about nobody)."""

    dataset: str
    persons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an object is to the boundary. state: ``member`` (protected and a member's), ``other``,
    ``public``, ``excepted`` or ``not examined`` with its reason. person: one of its persons, a
    member if any is; shared: there are others."""

    state: str
    dataset: str
    person: str
    reason: str
    shared: bool = False


class Attributor:
    """Matches keys against the charter's object datasets, in their order."""

    def __init__(self, charter: Charter, lookups: Mapping[str, KeyLookup]) -> None:
        self._datasets: list[tuple[str, Template | None]] = [
            (name, Template.parse(dataset.template) if dataset.template else None)
            for name, dataset in charter.objects.items()
        ]
        self._lookups = lookups

    def attribute(self, keys: Iterable[str]) -> dict[str, Attributed]:
        """Datasets and persons of these keys; those that nothing names are left out."""
        found: dict[str, Attributed] = {}
        remaining = list(dict.fromkeys(keys))
        for name, template in self._datasets:
            matched = self._by_template(template, remaining) if template else None
            persons = self._lookups[name](remaining) if matched is None else matched
            found.update({key: Attributed(name, tuple(who)) for key, who in persons.items()})
            remaining = [key for key in remaining if key not in found]
        return found

    def _by_template(self, template: Template, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        matches = ((key, template.match(key)) for key in keys)
        return {
            key: (match["person"],) if "person" in match else ()
            for key, match in matches
            if match is not None
        }


def verdict(
    attributed: Attributed | None,
    datasets: Mapping[str, ObjectDataset],
    memberships: Mapping[str, Membership],
) -> Verdict:
    """Decide one object. Any member among its persons makes it a member's; an unknown person
    among them, with no member, leaves it not examined."""
    if attributed is None:
        return Verdict("not examined", "", "", "no template fits the key and no column names it")
    dataset = datasets[attributed.dataset]
    person = attributed.persons[0] if attributed.persons else ""
    shared = len(attributed.persons) > 1
    if dataset.classification != "protected":
        return Verdict(dataset.classification, attributed.dataset, person, "", shared)
    if dataset.is_archive:
        return Verdict("other", attributed.dataset, "", "")  # until its rows are read
    known = {who: memberships[who] for who in attributed.persons if who in memberships}
    for who, member in known.items():
        if member:
            return Verdict("member", attributed.dataset, who, "", shared)
    reason = _doubt(attributed, known)
    return Verdict(
        "not examined" if reason else "other", attributed.dataset, person, reason, shared
    )


def _doubt(attributed: Attributed, known: Mapping[str, Membership]) -> str:
    """Why an object that is no known member's cannot be said to be somebody else's."""
    if not attributed.persons:
        return "the row that names the key names no person"
    if len(known) < len(attributed.persons):
        return "no site knows the person that the key names"
    if None in known.values():
        return "the person's country is written nowhere"
    return ""
