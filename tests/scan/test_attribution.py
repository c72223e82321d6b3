from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import Classification, ObjectDataset
from domicile.people import Membership
from domicile.scan.attribution import Attributed, Attributor, KeyLookup, verdict
from tests.people.catalogues import charter


def attributor(
    lookups: Mapping[str, KeyLookup] | None = None, **datasets: ObjectDataset
) -> Attributor:
    return Attributor(charter(objects=datasets), lookups or {})


def template(text: str, classification: Classification = "protected") -> ObjectDataset:
    return ObjectDataset(template=text, classification=classification)


def naming(names: Mapping[str, Sequence[str]], asked: list[str] | None = None) -> KeyLookup:
    """A database column that names these keys; notes what it was asked."""

    def look_up(keys: Sequence[str]) -> dict[str, Sequence[str]]:
        if asked is not None:
            asked.extend(keys)
        return {key: names[key] for key in keys if key in names}

    return look_up


def test_a_template_names_dataset_and_person() -> None:
    found = attributor(videos=template("videos/{person}/{file...}")).attribute(
        ["videos/7/a/b.mp4", "videos/7", "other/7/a"]
    )
    assert found == {"videos/7/a/b.mp4": Attributed("videos", ("7",))}


def test_the_first_template_that_fits_counts() -> None:
    narrow, wide = template("m/{person}/public/{file}"), template("m/{person}/{file...}")
    key = "m/7/public/a"
    assert attributor(narrow=narrow, wide=wide).attribute([key])[key].dataset == "narrow"
    assert attributor(wide=wide, narrow=narrow).attribute([key])[key].dataset == "wide"


def test_a_template_before_a_column_keeps_its_keys_from_it_and_the_reverse() -> None:
    column = ObjectDataset(key_column="files.path")
    fits = template("m/{person}/{file}")
    asked: list[str] = []
    lookups = {"named": naming({"m/7/a": ["8"], "x": ["9"]}, asked)}
    first = attributor(lookups, fits=fits, named=column).attribute(["m/7/a", "x", "y"])
    assert first == {"m/7/a": Attributed("fits", ("7",)), "x": Attributed("named", ("9",))}
    assert asked == ["x", "y"]
    then = attributor(lookups, named=column, fits=fits).attribute(["m/7/a", "m/7/b"])
    assert then == {"m/7/a": Attributed("named", ("8",)), "m/7/b": Attributed("fits", ("7",))}


def test_a_template_about_nobody_names_no_person() -> None:
    found = attributor(css=template("static/{file...}", "public")).attribute(["static/a.css"])
    assert found == {"static/a.css": Attributed("css", ())}


def test_a_column_may_name_several_persons_or_none() -> None:
    lookups = {"named": naming({"a": ["1", "2"], "b": []})}
    found = attributor(lookups, named=ObjectDataset(key_column="files.path")).attribute("ab")
    assert found == {"a": Attributed("named", ("1", "2")), "b": Attributed("named", ())}


def test_a_key_asked_twice_is_looked_up_once() -> None:
    asked: list[str] = []
    lookups = {"named": naming({}, asked)}
    assert not attributor(lookups, named=ObjectDataset(key_column="f.p")).attribute(["a", "a"])
    assert asked == ["a"]


DATASETS = {
    "mine": template("m/{person}"),
    "open": template("o/{person}", "public"),
    "shown": template("s/{person}", "excepted"),
}
PEOPLE: dict[str, Membership] = {"ada": True, "bo": True, "dee": False, "eve": None}


@pytest.mark.parametrize(
    ("dataset", "persons", "state", "person", "reason"),
    [
        ("mine", ["ada"], "member", "ada", ""),
        ("mine", ["dee", "ada"], "member", "ada", ""),
        ("mine", ["eve", "stranger", "bo"], "member", "bo", ""),
        ("mine", ["dee"], "other", "dee", ""),
        ("mine", ["eve"], "not examined", "eve", "written nowhere"),
        ("mine", ["dee", "eve"], "not examined", "dee", "written nowhere"),
        ("mine", ["stranger"], "not examined", "stranger", "no site knows"),
        ("mine", ["dee", "stranger"], "not examined", "dee", "no site knows"),
        ("mine", [], "not examined", "", "names no person"),
        ("open", ["ada"], "public", "ada", ""),
        ("open", [], "public", "", ""),
        ("shown", ["eve"], "excepted", "eve", ""),
    ],
)
def test_verdicts(dataset: str, persons: list[str], state: str, person: str, reason: str) -> None:
    found = verdict(Attributed(dataset, tuple(persons)), DATASETS, PEOPLE)
    assert (found.dataset, found.state, found.person) == (dataset, state, person)
    assert (reason in found.reason) if reason else not found.reason


def test_what_nothing_names_is_not_examined() -> None:
    found = verdict(None, DATASETS, PEOPLE)
    assert (found.state, found.dataset, found.person) == ("not examined", "", "")
    assert "no template fits" in found.reason


@given(st.lists(st.sampled_from([*PEOPLE, "stranger"]), max_size=4, unique=True))
def test_only_what_certainly_is_nobodys_of_ours_is_somebody_elses(persons: list[str]) -> None:
    found = verdict(Attributed("mine", tuple(persons)), DATASETS, PEOPLE)
    if "ada" in persons or "bo" in persons:
        assert found.state == "member"
    elif persons and set(persons) <= {"dee"}:
        assert found.state == "other"
    else:
        assert found.state == "not examined"
        assert found.reason
