from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import Template
from domicile.errors import CharterError


@pytest.mark.parametrize(
    ("template", "key", "values"),
    [
        ("videos/{person}/{file}", "videos/7/a.mp4", {"person": "7", "file": "a.mp4"}),
        ("videos/{person}/{file}", "videos/7/a/b.mp4", None),
        ("videos/{person}/{file}", "videos//b.mp4", None),
        ("videos/{person}/{file}", "videos/7/", None),
        ("videos/{person}/{file}", "/videos/7/a", None),
        ("videos/{person}/{file}", "videos/../a", {"person": "..", "file": "a"}),
        ("videos/{person}/{file}", "videos/7/a\n", {"person": "7", "file": "a\n"}),
        ("{rest...}/{person}.jpg", "a//b/7.jpg", {"rest": "a//b", "person": "7"}),
        ("{rest...}/{person}.jpg", "/7.jpg", None),
        ("u{person}/{rest...}", "u7/a/b", {"person": "7", "rest": "a/b"}),
        ("{person}-{file}", "7-a-b", {"person": "7", "file": "a-b"}),
        ("x/{rest...}-{person}", "x/a-b-7", {"rest": "a-b", "person": "7"}),
        ("a{{b}}/{person}", "a{b}/7", {"person": "7"}),
        ("logo.png", "logo.png", {}),
        ("logo.png", "logo.png2", None),
        ("ab{person}ba", "aba", None),
        ("a{rest...}a", "aa", None),
        ("{person}/é", "7/é", {"person": "7"}),
    ],
)
def test_a_key_is_read_as_the_rules_say(
    template: str, key: str, values: dict[str, str] | None
) -> None:
    assert Template.parse(template).match(key) == values


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("", "is empty"),
        ("{a}{b}", "nothing between"),
        ("{a...}{b}", "nothing between"),
        ("{a}/{a}", "names {a} twice"),
        ("{a...}/{b...}", "more than one"),
        ("{person...}", "whose it is"),
        ("{person", "stray brace at character 1"),
        ("x}", "stray brace at character 2"),
        ("{}", "stray brace"),
        ("{Person}", "stray brace"),
        ("{a..}", "stray brace"),
    ],
)
def test_a_template_that_can_not_be_read_is_refused(template: str, what: str) -> None:
    with pytest.raises(CharterError, match=re.escape(what)):
        Template.parse(template)


def test_a_listing_can_start_at_the_prefix() -> None:
    assert Template.parse("videos/u{person}/x").prefix == "videos/u"


LITERALS = st.text("ab/-", min_size=1, max_size=3)


@st.composite
def templates(draw: st.DrawFn) -> str:
    count = draw(st.integers(1, 4))
    span = draw(st.integers(-1, count - 1))
    text = draw(st.text("ab/-", max_size=2))
    for index in range(count):
        text += f"{{n{index}{'...' if index == span else ''}}}"
        text += draw(LITERALS) if index < count - 1 else draw(st.text("ab/-", max_size=2))
    return text


def _as_regex(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(\.\.\.)?\}", template)
    out = re.escape(parts[0])
    for name, span, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        out += f"(?P<{name}>{'.+' if span else '[^/]+'}){re.escape(literal)}"
    return re.compile(out, re.DOTALL)


@given(templates(), st.text("ab/-", max_size=14))
def test_a_key_fits_exactly_where_a_regular_expression_would_fit(template: str, key: str) -> None:
    values = Template.parse(template).match(key)
    assert (values is not None) == (_as_regex(template).fullmatch(key) is not None)
    if values is not None:
        rebuilt = template
        for name, value in values.items():
            rebuilt = re.sub(rf"\{{{name}(\.\.\.)?\}}", value, rebuilt)
        assert rebuilt == key


@given(templates(), st.data())
def test_a_key_made_from_a_template_fits_it(template: str, data: st.DataObject) -> None:
    fill = data.draw(st.text("ab-", min_size=1, max_size=5))
    assert Template.parse(template).match(re.sub(r"\{[^}]*\}", fill, template)) is not None


def test_hostile_keys_take_no_longer_than_their_length() -> None:
    text = (
        "".join(f"{{n{i}}}a" for i in range(30))
        + "{last...}"
        + "".join(f"a{{m{i}}}" for i in range(30))
    )
    template = Template.parse(text + "!")
    key = "a" * 200_000
    began = time.thread_time()
    assert template.match(key) is None
    assert time.thread_time() - began < 2
