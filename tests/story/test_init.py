"""A charter that `init` wrote finds the same as the one that the demo's authors wrote."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import Any

from domicile.demo.servers import servers
from domicile.demo.workspace import DATABASE
from tests.covering import Covers
from tests.story.stage import Stage


def test_a_proposed_charter_finds_what_the_known_one_finds(stage: Stage, covers: Covers) -> None:
    known = tomllib.loads(stage.charter.read_text())
    expected = _found(stage)
    stage.charter.unlink()

    done = stage.run("init", *_asked(stage)).expect(0)
    assert "next: read it, then domicile scan" in done.out
    proposed = _found(stage)
    assert _rows(proposed, reduced=False) == _rows(expected, reduced=False)
    assert _persons(proposed) == _persons(expected)

    _decide(stage, known)
    written = stage.charter.read_text()
    assert _rows(_found(stage), reduced=True) == _rows(expected, reduced=True)
    assert _objects(_found(stage)) == _objects(expected)

    again = stage.run("init", *_asked(stage)).expect(0)
    assert "added:" not in again.out
    assert stage.charter.read_text() == written
    assert stage.source_changes() == []
    for address in ("@example.com", "@mail.example", "+1 555"):
        assert address not in written + done.out + done.err
    covers("Later", "a charter proposed by init", "found", note="a person reads it first")


def _asked(stage: Stage) -> list[str]:
    """Two databases and their stores away from home, and home."""
    words = ["--members", "US", "--custodian", "USDS", "--company", "Loopreel"]
    words += ["--provider", "oracle"]
    for place, country in (("virginia", "US"), ("singapore", "SG"), ("oracle", "US")):
        option = ["--home"] if place == "oracle" else []
        keys = f"country={country},provider={'oracle' if option else 'company'}"
        url = servers(stage.directory)[place].url(DATABASE)
        backup = ",role=backup" if place == "singapore" else ""
        words += [*option, f"{place}-db={url}#{keys}"]
        words += [*option, f"{place}-media=file:{place}/media#{keys}{backup}"]
    return words


def _found(stage: Stage) -> Any:  # noqa: ANN401 - what the command printed
    return stage.run("scan", "--json", "--workers", "1").expect(1).json


def _decide(stage: Stage, known: dict[str, Any]) -> None:
    """What a person would add: which objects anybody may see, which columns may stay abroad."""
    text = stage.charter.read_text()
    for folder in ("avatars", "public"):
        head, mark, rest = text.partition(f"[objects.{folder}]")
        assert mark
        rest = rest.replace('classification = "protected"', 'classification = "public"', 1)
        text = head + mark + rest
    for dataset in known["tables"].values():
        if "public" in dataset:
            head = f'table = "{dataset["table"]}"\n'
            assert text.count(head) in {1, 2}, head  # the people's too
            at = text.index("[tables.")
            text = text[:at] + text[at:].replace(head, f"{head}public = {dataset['public']!r}\n", 1)
    stage.charter.write_text(text)


def _rows(scan: Any, *, reduced: bool) -> set[tuple[object, ...]]:  # noqa: ANN401 - see _found
    """Every table's counts; members' rows and reduced ones together unless ``reduced``."""
    return {
        (
            t["site"], t["table"], t["classification"], t["rows"], t["unexamined"], t["nobody"],
            (t["members"], t["reduced"]) if reduced else t["members"] + t["reduced"], t["path"],
        )
        for t in scan["tables"]
    }  # fmt: skip


def _persons(scan: Any) -> tuple[int, ...]:  # noqa: ANN401 - see _found
    return scan["persons"], scan["members"], scan["unknown_persons"]


def _objects(scan: Any) -> Counter[tuple[str, str, str]]:  # noqa: ANN401 - see _found
    found: Counter[tuple[str, str, str]] = Counter()
    for counted in scan["objects"]:
        for what in ("versions", "markers", "uploads"):
            found[counted["site"], counted["state"], what] += counted[what]
    return found
