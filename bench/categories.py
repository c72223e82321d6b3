"""Precision and recall of what `domicile init` recognises. Not timed, so noise does not matter.

Three sets with known truth: columns labelled by hand that the recognisers were written against,
columns labelled by hand before there were recognisers and held out, and the demo's world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import islice

from bench.columns.values import values_of
from domicile.demo.rows import TABLES, chunks
from domicile.demo.world import build
from domicile.scan.proposal.columns import ColumnFacts, Sample, TableFacts, categorise

__all__ = ["HELD_OUT", "TUNING", "Figures", "measure", "measure_all", "measure_demo"]

TUNING, HELD_OUT = "tuning", "held_out"
_SAMPLED = 100
# Every column of the demo's world that is personal data; all others are labelled as nothing. The
# types are those that matter to a recogniser.
_DEMO: Mapping[str, str] = {
    "users.handle": "user.account.username",
    "users.email": "user.contact.email",
    "users.country": "user.contact.address.country",
    "users.language": "user.demographic.language",
    "users.phone": "user.contact.phone_number",
    "users.birthday": "user.demographic.date_of_birth",
    "users.display_name": "user.name",
    "users.bio": "user.content",
    "users.settings": "user.settings",
    "users.balance": "user.financial",
    "sounds.title": "user.content",
    "sounds.artist": "user.name",
    "videos.caption": "user.content",
    "videos.hashtags": "user.content",
    "videos.filmed_at": "user.location.precise",
    "drafts.title": "user.content",
    "drafts.edits": "user.content",
    "comments.body": "user.content",
    "direct_messages.body": "user.content",
    "watch_events.ms": "user.behavior.media_consumption",
    "devices.model": "user.device",
    "devices.advertising_id": "user.device.device_id",
    "devices.last_latitude": "user.location.precise",
    "devices.last_longitude": "user.location.precise",
    "devices.last_ip": "user.device.ip_address",
    "devices.push_token": "user.device.device_id",
    "support_tickets.subject": "user.content",
    "ticket_messages.body": "user.content",
    "wallet_entries.amount": "user.financial",
    "wallet_entries.memo": "user.content",
}
_DEMO_TYPES = {
    "birthday": "date", "settings": "jsonb", "edits": "jsonb", "balance": "numeric",
    "amount": "numeric", "filmed_at": "point", "hashtags": "text[]", "advertising_id": "uuid",
    "last_latitude": "double", "last_longitude": "double", "last_ip": "inet", "push_token": "bytea",
    "ms": "integer", "duration_ms": "integer", "closed": "boolean", "calling_code": "smallint",
    "entry_no": "integer", "visibility": "visibility",
}  # fmt: skip
_MOMENTS = ("_at", "last_seen", "at")
_ABOUT_NOBODY = {"countries", "languages"}


@dataclass(frozen=True, slots=True)
class Figures:
    """columns: all; right: categories told that are the label's, or one within the other; exact:
    those that are the label's own; missed: labels that were not told or told wrong; wrong: told
    where there is none, or another."""

    columns: int
    personal: int
    right: int
    exact: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    wrong_among_others: float

    @property
    def precision(self) -> float:
        """Of what was told, what is right."""
        return self.right / max(self.right + len(self.wrong), 1)

    @property
    def recall(self) -> float:
        """Of what is there, what was told right."""
        return self.right / max(self.personal, 1)


@dataclass(frozen=True, slots=True)
class _Labelled:
    name: str
    type: str
    label: str
    values: list[str]
    is_key: bool = False


def measure_all() -> dict[str, Figures]:
    """The three sets, as the page calls them."""
    return {
        "labelled, held out": measure(HELD_OUT),
        "the same in empty tables": measure(HELD_OUT, rows=False),
        "labelled, written against": measure(TUNING),
        "the demo's world": measure_demo(),
    }


def measure(labelled: str, *, rows: bool = True) -> Figures:
    """Of one of the two sets that were labelled by hand; without ``rows`` by names and types."""
    text = resources.files("bench.columns").joinpath(f"{labelled}.txt").read_text("utf-8")
    tables: dict[str, list[_Labelled]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            table, column, kind, values, label = line.split()
            sampled = values_of(values, f"{table}.{column}") if rows else []
            tables.setdefault(table, []).append(_Labelled(column, kind, label, sampled))
    return _figures(
        (table, columns, _told(TableFacts(table, _facts(columns)), columns))
        for table, columns in tables.items()
    )


def measure_demo() -> Figures:
    """Of the demo's world, by its columns alone: what leads to a person is known."""
    world = build(400, seed=11)
    tables = {}
    for table, (names, _) in TABLES.items():
        lines = b"".join(block for _, block in islice(chunks(world, table), 1)).decode()
        rows = [line.split("\t") for line in lines.splitlines()[:_SAMPLED]]
        tables[table] = [
            _demo_column(table, name, [row[at] for row in rows if row[at] != "\\N"])
            for at, name in enumerate(names.split(","))
        ]
    return _figures(
        (
            table,
            columns,
            _told(TableFacts(table, _facts(columns), table not in _ABOUT_NOBODY), columns),
        )
        for table, columns in tables.items()
    )


def _demo_column(table: str, name: str, values: list[str]) -> _Labelled:
    kind = _DEMO_TYPES.get(name) or ("timestamptz" if name.endswith(_MOMENTS) else "text")
    is_key = name == "id" or (name.endswith(("_id", "_by")) and name != "advertising_id")
    if is_key:
        kind = "bigint"
    if kind == "bytea":
        values = []
    return _Labelled(name, kind, _DEMO.get(f"{table}.{name}", "-"), values, is_key)


def _facts(columns: Iterable[_Labelled]) -> tuple[ColumnFacts, ...]:
    return tuple(ColumnFacts(c.name, c.type, c.is_key) for c in columns)


def _told(table: TableFacts, columns: Iterable[_Labelled]) -> dict[str, str]:
    found = categorise(table, {c.name: Sample(c.values) for c in columns})
    return {name: finding.category for name, finding in found.items()}


def _figures(
    judged: Iterator[tuple[str, list[_Labelled], dict[str, str]]],
) -> Figures:
    columns = personal = right = exact = 0
    missed, wrong, others = [], [], 0
    for table, labelled, told in judged:
        for column in labelled:
            label, said = column.label, told.get(column.name, "-")
            columns += 1
            personal += label != "-"
            if label != "-" and _is_near(label, said):
                right += 1
                exact += label == said
                continue
            if label != "-":
                missed.append(f"{table}.{column.name}")
            if said != "-":
                wrong.append(f"{table}.{column.name}")
                others += label == "-"
    share = others / max(columns - personal, 1)
    return Figures(columns, personal, right, exact, tuple(missed), tuple(wrong), share)


def _is_near(one: str, other: str) -> bool:
    """The same, or one within the other (`user.content` and `user.content.private`)."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
