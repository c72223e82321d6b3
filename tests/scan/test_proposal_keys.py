"""Templates proposed from sampled keys."""

from __future__ import annotations

from domicile.charter import Template
from domicile.scan.proposal.keys import KeyColumn, KeyDataset, person_tokens, propose_datasets

PERSONS = {str(at) for at in range(1, 500)}


def proposed(
    keys: list[str], *columns: KeyColumn, persons: set[str] = PERSONS
) -> dict[str, KeyDataset]:
    found = propose_datasets(keys, person_tokens(keys) & persons, columns)
    return {dataset.folder: dataset for dataset in found}


def template(keys: list[str], *columns: KeyColumn) -> str | None:
    (dataset,) = proposed(keys, *columns).values()
    if dataset.template is not None:
        parsed = Template.parse(dataset.template)
        assert all(parsed.match(key) for key in keys)
    return dataset.template


def test_the_segment_that_joins_the_peoples_keys_is_the_person() -> None:
    assert template([f"exports/{n}/data.json" for n in range(1, 30)]) == "exports/{person}/{file}"
    assert template([f"avatars/{n}.png" for n in range(1, 30)]) == "avatars/{person}.png"
    assert template([f"a/user-{n}.png" for n in range(1, 30)]) == "a/user-{person}.png"
    assert template([f"{n}/a/{n + 900}.png" for n in range(1, 30)]) == "{person}/{file...}"
    assert template([f"b{{1}}/{n}/x" for n in range(1, 30)]) == "b{{1}}/{person}/{file}"
    mixed = [f"p/{n}.{ext}" for n, ext in enumerate(["png", "jpg"] * 9, 1)]
    assert template(mixed) == "p/{person}.{ext}"
    deep = [f"media/{n % 7:02x}/{n}/x/y" for n in range(1, 90)]
    assert template(deep) == "media/{part1}/{person}/{file...}"


def test_years_are_no_persons_and_what_names_nobody_is_said() -> None:
    years = {str(year) for year in range(2000, 2030)}
    dated = [f"logs/{year}/{n:02}x.txt" for year in range(2010, 2020) for n in range(9)]
    (dataset,) = proposed(dated, persons=PERSONS | years).values()
    assert (dataset.template, dataset.key_column) == (None, None)
    assert dataset.keys == 90


def test_the_rows_person_decides_between_dense_numbers() -> None:
    rows = [(f"v/{video}/{video % 40 + 1}.mp4", str(video % 40 + 1)) for video in range(1, 200)]
    keys = [key for key, _ in rows]
    assert template(keys) == "v/{person}/{file}"  # by values alone: both join
    assert template(keys, KeyColumn("videos.key", tuple(rows))) == "v/{part1}/{person}.mp4"


def test_keys_that_name_nobody_are_left_to_the_column_that_names_them() -> None:
    rows = [(f"att/{n:02x}/{n * 7919:032x}.jpg", str(n)) for n in range(1, 60)]
    column = KeyColumn("messages.attachment", tuple(rows))
    found = proposed([*(key for key, _ in rows), "att/plain/aa/x.jpg"], column)
    assert found["att/"].key_column == "messages.attachment"
    assert [d.key_column for d in found.values()].count("messages.attachment") == 1


def test_hostile_keys_break_nothing() -> None:
    keys = ["", "/", "//", "a//b", "\n/\x7f", "{person}", "{{}/x", "é/🌞/" + "x" * 900, "../.."]
    for dataset in propose_datasets(keys, person_tokens(keys), ()):
        if dataset.template:
            Template.parse(dataset.template)
