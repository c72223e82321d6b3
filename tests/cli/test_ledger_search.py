"""``domicile ledger search``: what a person and a program are shown."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from domicile.charter import load_charter
from domicile.cli.main import cli
from domicile.errors import EvidenceError, UsageError
from domicile.inventory import Evidence
from domicile.ledger import decode
from domicile.move.entries import SchemaMade, SequencesSet
from domicile.scan.entries import ScanStarted
from tests.charter.conftest import CHARTER
from tests.ledger.world import SIGNER


@pytest.fixture
def charter(tmp_path: Path) -> Path:
    """A charter with a ledger of six entries, the charter's own first."""
    path = tmp_path / "domicile.toml"
    path.write_text(CHARTER)
    with Evidence(tmp_path / ".domicile", load_charter(path)) as evidence:
        for run in ("one", "two"):
            evidence.record(ScanStarted(run=run, boundary="us", tool="\x1b[2J\u202e", files=()))
            evidence.record(SequencesSet(run=run, site="home_db", sequences=3))
        evidence.record(SchemaMade(run="two", site="old_db", section="x" * 500, sha256=""))
    return path


def run(charter: Path, *words: str) -> Result:
    words = ("ledger", "search", "--charter", str(charter), *words)
    return CliRunner().invoke(cli, words, standalone_mode=False)


def numbers(charter: Path, *words: str) -> list[int]:
    result = run(charter, "--json", *words)
    assert result.exception is None, result.exception
    return [entry["number"] for entry in json.loads(result.stdout)["entries"]]


def test_entries_are_shown_a_line_each(charter: Path) -> None:
    shown = run(charter, "--site", "home_db", "--kind", "move").stdout.splitlines()
    assert shown[0].split() == ["entry", "time", "(UTC)", "kind", "what", "it", "says"]
    assert [line.split()[0] for line in shown[1:]] == ["2", "4", "2"]
    assert shown[1].endswith('run="one" sequences=3 site="home_db"')
    assert shown[-1] == "2 entries"


def test_json_holds_the_entries_as_the_ledger_has_them(charter: Path) -> None:
    result = run(charter, "--json", "--run", "two", "--limit", "2")
    document = json.loads(result.stdout)
    assert document["origin"] == "domicile.invalid/us"
    assert (document["size"], document["more"]) == (6, True)
    first = document["entries"][0]
    assert first["number"] == 3
    again = json.dumps(first["entry"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert decode(again.encode()).kind == "scan.started"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [0, 1, 2, 3, 4, 5]),
        (("--kind", "scan.started"), [1, 3]),
        (("--kind", "scan.started", "--kind", "charter", "--run", "one"), [1]),
        (("--site", "old_db"), [5]),
        (("--text", 'site":"home_db'), [2, 4]),
        (("--since", "2020-01-01", "--until", "2100-12-31", "--limit", "1"), [0]),
        (("--since", "2100-01-01"), []),
        (("--until", "2020-01-01T00:00:00Z"), []),
        (("--staff", "home_db"), []),
        (("--rebuild", "--run", "two"), [3, 4, 5]),
    ],
)
def test_what_is_asked_for_is_found(
    charter: Path, words: tuple[str, ...], expected: list[int]
) -> None:
    assert numbers(charter, *words) == expected


def test_a_day_lasts_to_its_end_and_a_time_has_a_zone(charter: Path) -> None:
    first = json.loads(run(charter, "--json").stdout)["entries"][0]["entry"]["time"]
    day, ahead = first[:10], f"{first[:-1]}+05:00"
    assert numbers(charter, "--since", day, "--until", day) == [0, 1, 2, 3, 4, 5]
    assert numbers(charter, "--since", first, "--limit", "1") == [0]
    assert numbers(charter, "--until", ahead) == []


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--until", ""), ("--limit", "0")])
def test_what_cannot_be_asked_is_refused(charter: Path, words: tuple[str, ...]) -> None:
    error = run(charter, *words).exception
    assert isinstance(error, click.BadParameter)
    assert error.param is not None
    assert error.param.opts == [words[0]]


def test_nothing_in_an_entry_reaches_the_terminal_as_an_order(charter: Path) -> None:
    shown = run(charter).stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\u001b[2J\\u202e" in shown
    assert all(len(line) < 300 for line in shown.splitlines())
    assert "6 entries" in shown


def test_that_there_are_more_is_said(charter: Path) -> None:
    shown = run(charter, "--limit", "2").stdout
    assert "2 entries; there are more" in shown
    assert "more" not in run(charter, "--limit", "6").stdout


def test_a_wrong_index_is_made_anew_and_that_is_said(charter: Path) -> None:
    assert numbers(charter, "--run", "one") == [1, 2]
    index = charter.parent / ".domicile" / "cache" / "ledger-index.sqlite"
    index.write_bytes(b"nonsense")
    result = run(charter, "--run", "one")
    assert "the index was made anew: it is damaged" in result.stderr
    assert "2 entries" in result.stdout


def test_only_a_log_under_the_named_keys_is_searched(charter: Path) -> None:
    assert isinstance(run(charter, "--key", SIGNER.vkey).exception, EvidenceError)
    assert isinstance(run(charter, "--key", "nonsense").exception, UsageError)
    vkey = (charter.parent / ".domicile" / "ledger" / "log.vkey").read_text().split()[0]
    assert numbers(charter, "--key", vkey, "--run", "one") == [1, 2]
