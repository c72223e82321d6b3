"""What stands in the way of a plan, and what a database does by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from domicile.inventory import DatabaseRules
from domicile.move.plan import Effect, SequencePlan
from domicile.sites.postgres import Database, Sequence, TableName

__all__ = [
    "database_effects",
    "plan_sequences",
    "projection_blockers",
    "reached",
    "schema_blockers",
    "unlogged_warnings",
    "unseen_referrers",
]


def database_effects(rules: DatabaseRules, site: str) -> Iterator[Effect]:
    """Cascades, triggers and unindexed foreign keys that deleting members' rows would meet.
    Cascades never fire on rows that stay: what is referred to is reduced, not deleted."""
    protected = {table.table.name for table in rules.protected}
    for key in rules.database.foreign_keys:
        if key.parent not in protected:
            continue
        what = f"{key.child}({', '.join(key.columns)}) -> {key.parent}"
        if key.on_delete in {"cascade", "set null", "set default"}:
            yield Effect(site, key.on_delete, what)
        if not key.indexed:
            yield Effect(site, "unindexed", f"{what}: each delete in {key.parent} reads the table")
    for trigger in rules.database.triggers:
        if trigger.table in protected and trigger.enabled:
            events = "/".join(event for event in trigger.events if event in {"delete", "update"})
            if events:
                yield Effect(site, "trigger", f"{trigger.name} on {trigger.table} ({events})")


def projection_blockers(
    rules: DatabaseRules, counts: Mapping[TableName, int], site: str
) -> Iterator[str]:
    """Tables of which public projections are needed and cannot be made."""
    for name, rows in sorted(counts.items()):
        if rows:
            for problem in rules.tables[name].projection.problems:
                yield f"{site}: {rows:,} rows of {name} need a public projection, but {problem}"


def schema_blockers(rules: DatabaseRules, home: Database) -> Iterator[str]:
    """Why home's tables could not take the rows: tables that members' rows refer to and that are
    not examined, and tables that home has in another shape."""
    for key in rules.database.foreign_keys:
        child = rules.tables.get(key.child)
        if child and child.protected and key.parent in rules.undecided:
            reason = rules.undecided[key.parent]
            yield (
                f"{key.child} refers to {key.parent}, which is not examined ({reason.reason}):"
                f" {reason.next_step}"
            )
    for name, table in sorted(rules.database.tables.items()):
        there = home.tables.get(name)
        if there is None:
            if home.tables:
                yield f"home has tables but no {name}: migrate home's schema first"
            continue
        ours = [(column.name, column.type) for column in table.columns]
        if ours != [(column.name, column.type) for column in there.columns]:
            yield f"home's {name} has other columns than the source's: migrate home's schema first"
        lacking = sorted(set(table.leaves) - set(there.leaves)) if there.leaves else []
        if lacking:
            parts = ", ".join(map(str, lacking))
            yield f"home's {name} lacks the source's partitions {parts}: create them there first"


def unseen_referrers(rules: DatabaseRules, site: str) -> Iterator[str]:
    """Tables that refer to members' rows and cannot be read: a cascade would take their rows, and
    nothing says which they are."""
    for key in rules.database.foreign_keys:
        why = rules.database.other_relations.get(key.child)
        parent = rules.tables.get(key.parent)
        if why is not None and parent is not None and parent.protected:
            yield (
                f"{site}: {key.child} refers to {key.parent} and is not examined ({why.reason}):"
                f" {why.next_step}"
            )


def unlogged_warnings(source: Database, home: Database) -> Iterator[str]:
    """Tables that a crash of home would empty."""
    for name, table in sorted(source.tables.items()):
        if home.tables.get(name, table).unlogged:
            yield (
                f"{name} is unlogged: a crash of home's server empties it, and what was erased"
                " elsewhere is lost then; ALTER TABLE … SET LOGGED there, once it is home"
            )


def plan_sequences(source: Database, home: Database, site: str) -> tuple[SequencePlan, ...]:
    """Every sequence goes on at home (``site``) from the middle of the range that the source has
    left: both sides can go on giving out numbers without meeting. A sequence that home has already
    moved past that point stays."""
    there = {sequence.name: sequence for sequence in home.sequences}
    plans = []
    for sequence in sorted(source.sequences, key=lambda sequence: sequence.name):
        rising = sequence.increment > 0
        first, end = sequence.min_value, sequence.max_value
        if not rising:
            first, end = end, first
        value = sequence.last_value if sequence.last_value is not None else first
        half = (abs(end - value) + 1) // 2  # the last number of all is the source's
        goal = value + half if rising else value - half
        at_home = there.get(sequence.name)
        if at_home is not None and reached(at_home, goal):
            goal = at_home.last_value if at_home.last_value is not None else goal
        plans.append(SequencePlan(sequence.name.schema, sequence.name.name, value, goal, site))
    return tuple(plans)


def reached(sequence: Sequence, goal: int) -> bool:
    """Whether a sequence has given out this number, or is past it."""
    if sequence.last_value is None:
        return False
    return (
        (sequence.last_value >= goal) if sequence.increment > 0 else (sequence.last_value <= goal)
    )
