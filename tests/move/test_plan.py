from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import Route
from domicile.ledger import FileDigest
from domicile.move.plan import Effect, ObjectShard, Plan, RowShard, SequencePlan, TablePlan

WORDS = st.text(max_size=6)
COUNTS = st.integers(0, 2**53 - 1)
BOUND = st.none() | st.lists(WORDS, max_size=3).map(tuple)


def listed(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


ROWS = st.builds(
    RowShard,
    WORDS,
    st.sampled_from(["members", "bare", "projection", "whole"]),
    WORDS,
    WORDS,
    COUNTS,
    BOUND,
    BOUND,
    WORDS,
)
OBJECTS = st.builds(
    ObjectShard, WORDS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, listed(WORDS), listed(COUNTS)
)
DIGESTS = st.builds(FileDigest, st.just("runs/one/shards/a.parquet"), st.just("ab" * 32), COUNTS)
PLANS = st.builds(
    Plan,
    run=WORDS,
    boundary=WORDS,
    charter_sha256=WORDS,
    made=WORDS,
    routes=listed(st.builds(Route, st.none() | WORDS, st.none() | WORDS, listed(WORDS))),
    home_objects=st.none() | WORDS,
    databases=listed(WORDS),
    stores=listed(WORDS),
    rows=listed(ROWS),
    objects=listed(OBJECTS),
    tables=listed(
        st.builds(TablePlan, WORDS, WORDS, COUNTS, COUNTS, COUNTS, COUNTS, listed(WORDS))
    ),
    effects=listed(st.builds(Effect, WORDS, st.sampled_from(["cascade", "trigger"]), WORDS)),
    sequences=listed(st.builds(SequencePlan, WORDS, WORDS, COUNTS, COUNTS, WORDS)),
    blockers=listed(WORDS),
    warnings=listed(WORDS),
    unexamined=COUNTS,
    files=listed(DIGESTS),
)


@given(PLANS)
def test_a_plan_comes_back_from_its_file_as_it_was(plan: Plan) -> None:
    assert msgspec.json.decode(msgspec.json.format(msgspec.json.encode(plan)), type=Plan) == plan


@dataclass(frozen=True)
class Case:
    """A kind of shard, whether its keys are in a file, and whether it is erased away from home."""

    kind: str
    by_keys: bool
    erasable: bool


@pytest.mark.parametrize(
    "case",
    [
        Case("members", by_keys=False, erasable=True),
        Case("bare", by_keys=True, erasable=True),
        Case("shared", by_keys=True, erasable=False),
        Case("projection", by_keys=True, erasable=False),
        Case("whole", by_keys=False, erasable=False),
    ],
    ids=lambda case: case.kind,
)
@given(plan=PLANS)
def test_a_plan_is_empty_where_nothing_of_members_is_away(case: Case, plan: Plan) -> None:
    shard = RowShard("one", case.kind, "public", "users", 3)  # type: ignore[arg-type]
    assert (shard.by_keys, shard.erasable) == (case.by_keys, case.erasable)
    only = msgspec.structs.replace(plan, rows=(shard,), objects=(), tables=())
    assert only.empty == (not case.erasable)
    assert only.rows_to_copy == 3
    assert only.row_shard("one") == shard
    assert only.row_shard("two") is None
    staying = TablePlan("old", "users", 3, 0, 0, 0, (), 3)
    assert not msgspec.structs.replace(only, tables=(staying,)).empty
    assert not msgspec.structs.replace(only, objects=(ObjectShard("o", 1, 1, 0, 0, 1, ()),)).empty
