from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import TableDataset
from domicile.erase.order import erasure_groups, refers_to_itself
from domicile.inventory import rules_for
from domicile.sites.postgres import ForeignKey, TableName
from tests.people.catalogues import charter, database, refers, table

NAMES = [TableName("public", name) for name in "abcdefg"]


def keys_of(*edges: str) -> list[ForeignKey]:
    """``keys_of("ab", "bc")``: a refers to b, b to c."""
    return [refers(f"{edge[0]}(to_{edge[1]})", f"{edge[1]}(id)") for edge in edges]


def groups(names: str, *edges: str) -> list[str]:
    tables = [TableName("public", name) for name in names]
    return [
        "".join(sorted(table.name for table in group))
        for group in erasure_groups(tables, keys_of(*edges))
    ]


def test_children_come_before_their_parents() -> None:
    assert groups("abc", "ab", "bc") == ["a", "b", "c"]
    assert groups("abc", "cb", "ba") == ["c", "b", "a"]


def test_tables_in_a_circle_are_erased_together_between_children_and_parents() -> None:
    assert groups("abcd", "ab", "bc", "cb", "cd") == ["a", "bc", "d"]


def test_what_is_found_over_a_public_table_without_a_foreign_key_comes_first() -> None:
    """That table's rows stay, and lead to nobody afterwards."""
    world = charter(
        {"b": TableDataset(table="b", classification="public", person=("code -> c.code",))}
    )
    keys = [refers("a(b)", "b(id)"), refers("c(owner)", "users(id)")]
    catalogue = database(["a", table("b", "code"), table("c", "code", "owner"), "users"], keys)
    rules = rules_for(world, catalogue)
    order = [name for (name,) in erasure_groups(rules.database.tables, rules.erased_first)]
    assert order == [*NAMES[:3], TableName("public", "users")]


def test_tables_without_references_are_all_erased() -> None:
    assert sorted(groups("abc")) == ["a", "b", "c"]
    assert groups("") == []


def test_references_from_and_to_other_tables_do_not_count() -> None:
    assert groups("ac", "ab", "bc", "ca") == ["c", "a"]


def test_a_table_that_refers_to_itself_is_a_group_of_its_own_that_does() -> None:
    keys = keys_of("aa", "ab")
    first, second = erasure_groups(NAMES[:2], keys)
    assert (first, second) == ((NAMES[0],), (NAMES[1],))
    assert refers_to_itself(first, keys)
    assert not refers_to_itself(second, keys)
    assert refers_to_itself((NAMES[0], NAMES[1]), [])


def test_a_long_chain_needs_no_deep_recursion() -> None:
    tables = [TableName("public", f"t{number:05}") for number in range(1000)]
    keys = [refers(f"{child}(to)", f"{parent}(id)") for child, parent in pairwise(tables)]
    assert erasure_groups(tables, keys) == [(table,) for table in tables]


NAME = st.sampled_from("abcdefg")


def reachable(edges: set[tuple[str, str]], tables: set[str]) -> Mapping[str, set[str]]:
    """What each table leads to, itself among it: closed by trying until nothing is new."""
    leads = {table: {table} for table in tables}
    for _ in tables:
        for child, parent in edges:
            if child in tables and parent in tables:
                for table in tables:
                    if child in leads[table]:
                        leads[table] |= leads[parent] | {parent}
    return leads


@given(st.sets(NAME), st.sets(st.tuples(NAME, NAME), max_size=16))
def test_every_parent_comes_after_its_children_outside_of_circles(
    tables: set[str], edges: set[tuple[str, str]]
) -> None:
    found = groups("".join(tables), *(child + parent for child, parent in sorted(edges)))
    place = {table: number for number, group in enumerate(found) for table in group}
    assert sorted("".join(found)) == sorted(tables)
    leads = reachable(edges, tables)
    for child in tables:
        for parent in leads[child]:
            if child in leads[parent]:
                assert place[child] == place[parent]
            else:
                assert place[child] < place[parent]
