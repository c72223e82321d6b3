"""What stands in the way of a plan, and what a database does by itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from domicile.charter import CountryWay, People, Route
from domicile.inventory import DatabaseRules
from domicile.move.plan import Effect, SequencePlan
from domicile.sites.postgres import Database, Sequence, TableName

__all__ = [
    "command_effects",
    "country_blockers",
    "database_effects",
    "plan_sequences",
    "projection_blockers",
    "reached",
    "row_rule_blockers",
    "schema_blockers",
    "standby_blockers",
    "table_warnings",
    "unseen_referrers",
]


_COMMANDS = frozenset(
    ("CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE AS", "DROP TABLE", "REFRESH MATERIALIZED VIEW")
)
"""What is run at a database away from home, as event triggers call it."""


def database_effects(rules: DatabaseRules, site: str) -> Iterator[Effect]:
    """Cascades, triggers, large objects and unindexed foreign keys that a deletion would meet.
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
    for table in rules.protected:
        if table.large_objects:
            what = f"{table.table.name}({', '.join(table.large_objects)})"
            yield Effect(site, "large objects", f"{what}: they go with the last row that has them")
    for trigger in rules.database.triggers:
        if trigger.table in protected and trigger.enabled:
            events = "/".join(event for event in trigger.events if event in {"delete", "update"})
            if events:
                yield Effect(site, "trigger", f"{trigger.name} on {trigger.table} ({events})")


def command_effects(database: Database, site: str, *, at_home: bool) -> Iterator[Effect]:
    """Event triggers that run at our own commands or logins: temporary tables and refreshed views;
    at home, whatever the schema is made of."""
    for trigger in database.event_triggers:
        tags = [tag for tag in trigger.tags if at_home or tag in _COMMANDS]
        if trigger.enabled and trigger.event != "table_rewrite" and (tags or not trigger.tags):
            at = "at " + ", ".join(tags) if tags else "at any command"
            at = "at every login" if trigger.event == "login" else at
            yield Effect(site, "event trigger", f"{trigger.name} ({trigger.event}) {at}")


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
        if (why := home.other_relations.get(name)) is not None:
            yield f"home's {name} is not examined ({why.reason}): {why.next_step}"
            continue
        if there is None:
            if home.tables:
                yield f"home has tables but no {name}: migrate home's schema first"
            continue
        ours = [(column.name, column.type) for column in table.columns]
        if ours != [(column.name, column.type) for column in there.columns]:
            yield f"home's {name} has other columns than the source's: migrate home's schema first"
        if table.inherits != there.inherits:
            yield (
                f"home's {name} does not inherit from what the source's does: queries that name"
                " these would give other rows; migrate home's schema first"
            )
        lacking = sorted(set(table.leaves) - set(there.leaves)) if there.leaves else []
        if lacking:
            parts = ", ".join(map(str, lacking))
            yield f"home's {name} lacks the source's partitions {parts}: create them there first"


def country_blockers(rules: DatabaseRules, people: People) -> Iterator[str]:
    """Why home couldn't say afterwards who is a member: the table of their countries stays away."""
    way = CountryWay.parse(people.country).way
    if way is None or rules.register or TableName.parse(people.table) not in rules.tables:
        return
    there, persons = TableName.parse(way.table), TableName.parse(people.table)
    table = rules.tables.get(there)
    referred = any((k.child, k.parent) == (persons, there) for k in rules.database.foreign_keys)
    if there in rules.database.tables and not (
        table is not None and (table.protected or table.whole or referred)
    ):
        yield (
            f"{there} says which country a person belongs to, and its rows do not come home: name"
            " with `person` whose they are, or, if they are about nobody, classify it public"
        )


def row_rule_blockers(home: Database, arriving: Collection[TableName]) -> Iterator[str]:
    """Tables of home that have rows, where rows that arrive would meet a rule."""
    for name in sorted(set(arriving) & set(home.tables)):
        if rules := home.tables[name].insert_rules:
            yield (
                f"home's {name} has a rewrite rule ({', '.join(rules)}) that changes what INSERT"
                " does to it: ALTER TABLE … DISABLE RULE there, until the move is verified"
            )


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


def standby_blockers(
    standbys: Mapping[str, str | None], roles: Mapping[str, str], routes: Collection[Route]
) -> Iterator[str]:
    """Standbys from which nothing can be erased, since their primary isn't a site where it is.
    roles: theirs in the charter."""
    homes = {route.home for route in routes if route.home is not None}
    for site, primary in standbys.items():
        if roles[site] == "primary":
            yield (
                f"{site} is a standby and takes no writes: name its primary as the site, and this"
                ' one as a replica (`role = "replica"`)'
            )
        elif primary is None:
            yield (
                f"{site} is a standby, and the charter does not name its primary, or several that"
                " it may be: name that as a site; what is erased there goes from here with it"
            )
        elif primary in homes:
            yield (
                f"{site} is a standby of home ({primary}) and has all that home has: end it there,"
                " or move it home"
            )
        elif not any({site, primary} <= route.sites for route in routes):
            yield (
                f"{site} is a standby of {primary}, and the charter says that it is another's copy:"
                f' write `of = "{primary}"`'
            )


def table_warnings(source: Database, home: Database) -> Iterator[str]:
    """Tables that a crash of home would empty, or whose rules do not see the rows that come."""
    for name, table in sorted(source.tables.items()):
        if home.tables.get(name, table).unlogged:
            yield (
                f"{name} is unlogged: a crash of home's server empties it, and what was erased"
                " elsewhere is lost then; ALTER TABLE … SET LOGGED there, once it is home"
            )
        if table.insert_rules and name not in home.tables:
            yield (
                f"the rewrite rule {', '.join(table.insert_rules)} of {name} comes home with it,"
                " and does nothing about the rows that come (COPY doesn't see rules)"
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
