"""Policies: what a text must be, what is answered, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from domicile.errors import UsageError
from domicile.policy.cases import read_cases, wrong_with
from domicile.policy.decisions import NOTHING_ALLOWS, UNSOUND, Engine
from domicile.policy.differences import differences
from domicile.policy.entries import Caps
from domicile.policy.grants import AccessRequest
from domicile.policy.obligations import Obligations
from domicile.policy.texts import PolicyText, built_in
from tests.policy.office import asked_for, at, question

CASES = Path(__file__).with_name("programme.toml")
PERMIT = '@id("all") permit (principal, action, resource);'


def engine(text: str) -> Engine:
    return Engine(PolicyText.parse(text))


def test_the_built_in_policy_keeps_its_promises_and_each_of_its_policies_decides() -> None:
    asked = engine(built_in())
    wrong = {case.name: wrong_with(case, asked) for case in read_cases(CASES)}
    assert {name: why for name, why in wrong.items() if why} == {}
    assert {rule.id for rule in asked.text.rules.values()} <= asked.decided


def test_a_case_that_expects_something_else_fails_by_what_was_decided() -> None:
    case = read_cases(CASES)[0]
    asked = engine(built_in())
    assert wrong_with(replace(case, expect="allow"), asked).startswith("denied by home-team-only")
    assert wrong_with(replace(case, by=("granted",)), asked).startswith("granted did not decide")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 policies"),
        ("permit (principal", "unexpected"),
        ("permit (principal, action, resource);", "has the @id ''"),
        (f"{PERMIT} {PERMIT}", "two policies are called all"),
        ('@id("x") @masks("a") permit (principal, action, resource);', "@masks"),
        ('@id("x") @because("{secret}") permit (principal, action, resource);', "{secret}"),
        ('@id("x") @items("many") permit (principal, action, resource);', "@items is 'many'"),
        ('@id("x") @sample("2") permit (principal, action, resource);', "@sample is '2'"),
        ('@id("x") @mask("") permit (principal, action, resource);', "@mask is ''"),
        (
            '@id("x") @items("1") forbid (principal, action, resource);',
            "forbids, and has obligations",
        ),
        ('@id("x") permit (principal, action, resource) when { context.nothing };', "x: "),
        ('@id("x") permit (principal == ?principal, action, resource);', "templates"),
    ],
)
def test_a_text_that_is_not_sound_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        PolicyText.parse(text)
    assert said in str(error.value)


def test_what_no_policy_allows_is_denied_and_says_how_to_ask() -> None:
    decision = engine('@id("no") forbid (principal, action == Action::"erase", resource);').decide(
        question("kim"), 0
    )
    assert decision.policies == (NOTHING_ALLOWS,)
    assert decision.sentence == (
        "denied by nothing-allows-it: no policy allows read to staff of the company in SG for"
        " engineering; ask with `domicile access request --dataset videos --action read --purpose"
        " engineering`"
    )


def test_a_policy_that_fails_on_a_question_denies_it_even_where_another_allows() -> None:
    overflow = (
        '@id("odd") forbid (principal, action, resource)'
        " when { context.minute * 9223372036854775807 > 0 };"
    )
    asked = engine(f"{PERMIT} {overflow}")
    assert asked.decide(question("kim"), 0).allowed
    decision = asked.decide(question("kim"), 3)
    assert (decision.allowed, decision.policies) == (False, (UNSOUND,))


def test_answers_are_kept_by_the_question_and_by_the_minute_where_a_policy_asks_for_it() -> None:
    asked = engine(
        '@id("noon") permit (principal, action, resource) when { context.minute < 720 };'
    )
    assert [asked.decide(question("kim"), minute).allowed for minute in (719, 720)] == [True, False]
    still = engine(PERMIT)
    assert still.decide(question("kim"), 1) is still.decide(question("kim"), 2)
    assert still.decide(question("kim"), 1) is not still.decide(question("lee"), 1)


def test_obligations_of_all_that_allow_are_merged_to_the_strictest() -> None:
    asked = engine(
        '@id("a") @mask("user.contact") @items("10") @sample("0.5")'
        " permit (principal, action, resource);"
        '@id("b") @mask("phone,user.name") @items("5") @bytes("99") @seal("query")'
        " permit (principal, action, resource);"
    )
    merged = asked.decide(question("kim"), 0).obligations
    assert merged == Obligations(
        frozenset({"user.contact", "phone", "user.name"}), 5, 99, 0.5, seal_query=True
    )
    assert merged.within(None) == Caps(items=5, size_bytes=99)
    grant = AccessRequest(asked_for(0, "kim", 1, 60, caps=Caps(items=7)), at(0), at(60))
    assert merged.within(grant) == Caps(items=5, size_bytes=99)
    grant.used_items, grant.used_bytes = 4, 98  # of this grant no more than 5 and 99 in all
    assert merged.within(grant) == Caps(items=1, size_bytes=1)


def test_a_change_is_told_by_the_questions_that_were_really_asked() -> None:
    before, after = engine(built_in()), engine(built_in() + PERMIT)
    kim, inside = question("kim"), question("kim", labels=("public",))
    count, (found,) = differences([(kim, 0), (inside, 0), (kim, 1)], before, engine(PERMIT))
    assert (count, found.asked, found.allowed, found.times) == (3, kim, True, 2)
    assert differences([(kim, 0)], before, after) == (1, [])  # what forbids still does
