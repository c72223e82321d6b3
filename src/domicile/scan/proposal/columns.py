"""From a column's name, type and sampled values to a category, and why. Pure.

A name alone suggests; values confirm or contradict. Values alone decide only where nothing else
looks like it (an e-mail address, an IBAN), never where many numbers do (a phone number without its
plus). Values are judged here and forgotten: what is kept are counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domicile.scan.proposal.detectors import DETECTORS, mentions
from domicile.scan.proposal.identifiers import NATIONAL_IDS
from domicile.scan.proposal.naming import (
    NameRule,
    is_about_people,
    is_about_places,
    is_about_things,
    name_rules,
)

__all__ = ["ColumnFacts", "Finding", "Sample", "TableFacts", "categorise", "family"]

_FEWEST = 5  # values that say something
_PERSONAL = (
    "user.contact.", "user.name", "user.demographic.date", "user.demographic.gender",
    "user.government_id", "user.authorization.password", "user.account.username", "user.health",
)  # fmt: skip
_KEYS_TOO = ("user.contact.email", "user.account", "user.contact.address.country",
             "user.demographic.language")  # fmt: skip
_GROUPS = {
    "S": "text varchar char citext character bpchar name",
    "N": "smallint integer int bigint numeric decimal real double float money int2 int4 int8"
    " float4 float8",
    "D": "date timestamp timestamptz",
    "I": "inet cidr macaddr macaddr8",
    "U": "uuid",
    "J": "json jsonb hstore xml",
    "G": "point geometry geography",
    "B": "bytea",
    "T": "boolean bool time interval",
}
_FAMILIES = {name: letter for letter, names in _GROUPS.items() for name in names.split()}
# (category, detector, least share, fewest distinct values) where the name says nothing.
_BY_VALUE = (
    ("user.contact.email", "email", 0.8, 3),
    ("user.device.ip_address", "ip", 0.9, 5),
    ("user.device.device_id", "mac", 0.9, 5),
    ("user.financial.bank_account", "iban", 0.9, 3),
    ("user.financial.credit_card", "card", 0.95, 5),
    ("user.contact.phone_number", "marked phone", 0.8, 5),
    ("user.location.precise", "pair", 0.9, 5),
    ("user.device", "agent", 0.8, 1),
)


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column as the catalogue has it. type: its base type's name (``varchar``); is_key: it is, or
    refers to, a key."""

    name: str
    type: str
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table with its columns. leads_to_person: whether its rows belong to somebody."""

    name: str
    columns: tuple[ColumnFacts, ...]
    leads_to_person: bool = False


@dataclass(slots=True)
class Sample:
    """Values of one column, as text; no value is ever shown."""

    values: Sequence[str]
    _shares: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Sample({len(self.values)} values)"

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(set(self.values))

    def count(self, detector: str) -> int:
        """How many values a detector accepts."""
        if detector not in self._shares:
            judge = DETECTORS[detector][1]
            known = {value: judge(value.strip()) for value in set(self.values)}
            self._shares[detector] = sum(known[value] for value in self.values)
        return self._shares[detector]

    def said(self, detector: str) -> str:
        """The count in words."""
        said = DETECTORS[detector][0]
        return f"{self.count(detector)} of {len(self.values)} sampled values {said}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A category and why, in words without values."""

    category: str
    why: str


def family(type_name: str) -> str:
    """The letter of a type's family: see `naming.NAME_RULES`; E for what is not known (enums)."""
    bare = type_name.removeprefix("pg_catalog.").lower()
    if bare.endswith("[]") or bare.startswith("_"):
        return "A"
    return _FAMILIES.get(bare.split("(")[0].split()[0], "E") if bare else "E"


def categorise(table: TableFacts, samples: dict[str, Sample]) -> dict[str, Finding]:
    """The columns of a table that hold personal data, with their categories."""
    found: dict[str, Finding] = {}
    for column in table.columns:
        sample = samples.get(column.name, Sample(()))
        if finding := _judge(table, column, sample, people=False):
            found[column.name] = finding
    if table.leads_to_person or is_about_people(table.name) or _is_personal(found.values()):
        for column in table.columns:
            sample = samples.get(column.name, Sample(()))
            if column.name not in found and (finding := _judge(table, column, sample, people=True)):
                found[column.name] = finding
    _drop_lone_states(found)
    return {c.name: found[c.name] for c in table.columns if c.name in found}


def _drop_lone_states(found: dict[str, Finding]) -> None:
    """A state without the rest of an address is how far something is."""
    addresses = [name for name, f in found.items() if f.category.startswith("user.contact.address")]
    if all(found[name].category == "user.contact.address.state" for name in addresses):
        for name in addresses:
            del found[name]


def _is_personal(findings: Iterable[Finding]) -> bool:
    return any(finding.category.startswith(_PERSONAL) for finding in findings)


def _judge(
    table: TableFacts, column: ColumnFacts, sample: Sample, *, people: bool
) -> Finding | None:
    kind = family(column.type)
    if kind == "T":
        return None
    for rule in name_rules(column.name):
        if rule.people and not people:
            continue
        fits = kind in rule.families and not _is_elsewhere(rule, table, column)
        if fits and (finding := _confirmed(rule, sample, kind)):
            return finding
    if column.is_key:
        return None
    return _by_type(column, kind, sample) or _by_value(kind, sample, table, people=people)


def _is_elsewhere(rule: NameRule, table: TableFacts, column: ColumnFacts) -> bool:
    """Whether the table or the key says that the rule means something else here."""
    if column.is_key and not rule.category.startswith(_KEYS_TOO):
        return True
    if rule.category.startswith("user.location"):
        return is_about_places(table.name)
    if rule.category == "user.content" and column.name.lower() == "title":
        return is_about_things(table.name) or is_about_people(table.name)
    if rule.category.startswith(("user.content", "user.account.username")):
        return is_about_things(table.name)
    return rule.people and (is_about_places(table.name) or is_about_things(table.name))


def _confirmed(rule: NameRule, sample: Sample, kind: str) -> Finding | None:
    values = len(sample.values)
    if not values:
        return Finding(rule.category, "its name; no values to look at")
    if not rule.check or kind in "BUJAIG":
        return Finding(rule.category, "its name")
    if sample.count(rule.check) < rule.least * values:
        return None
    return Finding(rule.category, f"its name, and {sample.said(rule.check)}")


def _by_type(column: ColumnFacts, kind: str, sample: Sample) -> Finding | None:
    bare = column.type.removeprefix("pg_catalog.").lower()
    if bare in {"inet", "macaddr", "macaddr8"}:
        category = "user.device.ip_address" if bare == "inet" else "user.device.device_id"
        return Finding(category, f"its type, {bare}")
    if kind == "G" and bare != "point":
        return Finding("user.location.precise", f"its type, {bare}")
    values = len(sample.values)
    if bare == "point" and values >= _FEWEST and sample.count("point") == values:
        return Finding("user.location.precise", f"its type, and {sample.said('point')}")
    return None


def _by_value(kind: str, sample: Sample, table: TableFacts, *, people: bool) -> Finding | None:
    values = len(sample.values)
    if kind not in "SE" or values < _FEWEST:
        return None
    for category, detector, least, distinct in _BY_VALUE:
        if sample.count(detector) >= least * values and sample.distinct >= distinct:
            return Finding(category, sample.said(detector))
    if finding := _national(sample):
        return finding
    if people and not is_about_things(table.name) and sample.count("prose") >= 0.6 * values:
        return Finding("user.content", sample.said("prose") + _mentioned(sample))
    return None


def _national(sample: Sample) -> Finding | None:
    """One country's numbers: a number in ten is another's by chance."""
    values = sample.values
    for name, check in NATIONAL_IDS.items():
        if check(values[0].strip()) and sample.distinct >= 10:
            hits = sum(check(value.strip()) for value in values)
            if hits >= 0.95 * len(values):
                return Finding(
                    "user.government_id.national_identification_number",
                    f"{hits} of {len(values)} sampled values are valid as {name}",
                )
    return None


def _mentioned(sample: Sample) -> str:
    counts: dict[str, int] = {}
    for value in sample.values:
        for kind in mentions(value):
            counts[kind] = counts.get(kind, 0) + 1
    told = ", ".join(f"{count} with {kind}" for kind, count in sorted(counts.items()))
    return f"; {told}" if told else ""
