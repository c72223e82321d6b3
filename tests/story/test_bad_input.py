"""Bad charters, commands out of order, tampered records, awkward keys: a clear error, or a clear
word of what was not examined; nothing is touched, nothing lost."""

from __future__ import annotations

import gc
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from domicile.cli import main
from domicile.inventory import workplace
from tests.services.objects import S3Server
from tests.services.postgres import PostgresServer, fresh_database
from tests.story.stage import AWAY, SITES, Done, Stage, confirmed

pytestmark = pytest.mark.xdist_group("story-faults")

Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command that ends early in this process."""

    monkeypatch.setenv("COLUMNS", "2000")  # no message is broken across lines

    def run(charter: Path, *words: str) -> Done:
        monkeypatch.setattr("sys.argv", ["domicile", *words, "--charter", str(charter)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        _forget_sessions()
        return Done(words, int(str(ended.value.code)), out, err)

    return run


def _forget_sessions() -> None:
    """A worker in a thread of this process keeps its sessions until the process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        workplace.cache_clear()
        gc.collect()


def _untouched(stage: Stage) -> None:
    assert stage.source_changes() == []
    assert stage.keys("oracle") == set()
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'domicile')"
    assert stage.execute("oracle", tables) == [(0,)]


# name -> (text of the charter, what stands there instead, what the error says, exit code)
_CHARTERS = {
    "an unknown key": ('custodian = "USDS"', 'custodiann = "USDS"', "custodiann", 2),
    "an unknown table of the charter": ("[company]", "[companies]", "companies", 2),
    "an unknown country": ('members = ["US"]', 'members = ["UK"]', "UK", 2),
    "a home site that is not there": ('"oracle-db", ', '"oracle-bd", ', "no such site", 2),
    "a home that is also a source": (
        'url = "file:oracle/media"',
        'url = "file:virginia/media"',
        "oracle-media",
        2,
    ),
    "a template without a person": ("drafts/{person}/{file}", "drafts/{file...}", "{person}", 2),
    "a secret in the text": ("postgresql://postgres@", "postgresql://postgres:hunter2@", "url", 2),
    "an unknown people table": ('table = "users"\nkey', 'table = "usres"\nkey', "usres", 2),
    "an unknown people column": ('country = "country"', 'country = "cuontry"', "cuontry", 2),
    "an unknown column of a dataset": ('person = ["owner_id"]', 'person = ["onwer"]', "onwer", 2),
    "an unknown public column": ('"handle_lower", ', '"handle_lowr", ', "handle_lowr", 2),
    "an unknown key column": (
        "direct_messages.attachment_key",
        "direct_messages.atachment_key",
        "atachment_key",
        2,
    ),
    "an unknown table of a key column": (
        "direct_messages.attachment_key",
        "driect_messages.attachment_key",
        "driect_messages",
        2,
    ),
    "an unknown table of a dataset": ('table = "devices"', 'table = "devicse"', "devicse", 2),
    "a missing directory": ("file:singapore/media", "file:singapore/mdeia", "singapore-media", 3),
    "a missing database": ("/loopreel?host=", "/lopreel?host=", "lopreel", 3),
}


@pytest.mark.parametrize("case", _CHARTERS.values(), ids=list(_CHARTERS))
def test_a_wrong_charter_is_a_clear_error_and_nothing_is_touched(
    made_stage: Stage, command: Command, tmp_path: Path, case: tuple[str, str, str, int]
) -> None:
    before, after, word, code = case
    text = made_stage.charter.read_text()
    assert before in text
    charter = _write_beside(made_stage, tmp_path, text.replace(before, after, 1))
    failed = command(charter, "scan", "--workers", "1").expect(code)
    assert word in failed.err
    assert "expected: " in failed.err
    assert "next: " in failed.err
    assert "hunter2" not in failed.err + failed.out
    assert "Traceback" not in failed.err


def _write_beside(stage: Stage, directory: Path, text: str) -> Path:
    """A charter of its own records in another directory, for the same sites."""
    charter = directory / "domicile.toml"
    charter.write_text(text.replace("file:", f"file://{stage.directory}/"))
    return charter


def _replace_url(text: str, site: str, url: str, extra: str = "") -> str:
    """The charter with another url for a site."""
    head, mark, tail = text.partition(f"[sites.{site}]")
    assert mark
    return head + mark + re.sub(r'url = ".*"', f'url = "{url}"\n{extra}', tail, count=1)


_PLACES = {
    "a server that does not answer": (
        "virginia-db",
        "postgresql://postgres@127.0.0.1:9/loopreel",
        "",
        "virginia-db",
    ),
    "a socket that is not there": (
        "virginia-db",
        "postgresql://postgres@/loopreel?host=/nonexistent",
        "",
        "virginia-db",
    ),
    "a user that is not there": ("virginia-db", "", "", "stranger"),
    "a store that does not answer": (
        "virginia-media",
        "s3://bucket",
        """endpoint = "http://127.0.0.1:9"
access_key_env = "STORY_KEY"
secret_key_env = "STORY_KEY"
timeout_s = 1
""",
        "virginia-media",
    ),
}


@pytest.mark.parametrize("case", _PLACES.values(), ids=list(_PLACES))
def test_a_site_that_cannot_be_used_is_a_clear_error(
    made_stage: Stage,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, str, str, str],
) -> None:
    monkeypatch.setenv("STORY_KEY", "planted-secret")
    site, url, extra, word = case
    text = made_stage.charter.read_text()
    if url:
        text = _replace_url(text, site, url, extra)
    else:
        text = text.replace("postgresql://postgres@", "postgresql://stranger@")
    failed = command(_write_beside(made_stage, tmp_path, text), "scan", "--workers", "1").expect(3)
    assert word in failed.err
    assert "planted-secret" not in failed.err + failed.out


def test_a_wrong_password_is_a_clear_error_that_does_not_repeat_it(
    made_stage: Stage,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    postgres15: PostgresServer,
) -> None:
    monkeypatch.setenv("STORY_PASSWORD", "planted-secret")
    url = fresh_database(postgres15).config.url
    text = made_stage.charter.read_text()
    text = _replace_url(text, "virginia-db", url, 'password_env = "STORY_PASSWORD"')
    failed = command(_write_beside(made_stage, tmp_path, text), "scan", "--workers", "1").expect(3)
    assert "virginia-db" in failed.err
    assert "password authentication failed" in failed.err
    assert "STORY_PASSWORD" in failed.err
    assert "planted-secret" not in failed.err + failed.out


@pytest.mark.parametrize(
    ("secret", "word"), [("", "NoSuchBucket"), ("planted-secret", "SignatureDoesNotMatch")]
)
def test_a_missing_bucket_and_a_wrong_key_are_clear_errors(
    made_stage: Stage,
    command: Command,
    tmp_path: Path,
    rgw: S3Server,
    secret: str,
    word: str,
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text(f"{rgw.access_key}\n{secret or rgw.secret_key}\n")
    keys.chmod(0o600)
    store = f"""endpoint = "{rgw.endpoint}"
credentials_file = "{keys}"
"""
    text = _replace_url(
        made_stage.charter.read_text(), "singapore-media", "s3://no-such-bucket", store
    )
    failed = command(_write_beside(made_stage, tmp_path, text), "scan", "--workers", "1").expect(3)
    assert "singapore-media" in failed.err
    assert word in failed.err
    assert "next: " in failed.err
    assert "planted-secret" not in failed.err + failed.out


def test_a_secret_that_is_nowhere_names_its_variable(
    made_stage: Stage, command: Command, tmp_path: Path
) -> None:
    text = made_stage.charter.read_text()
    text = _replace_url(
        text, "virginia-db", "postgresql://postgres@/x", 'password_env = "NOT_SET_ANYWHERE"'
    )
    charter = _write_beside(made_stage, tmp_path, text)
    assert "NOT_SET_ANYWHERE" in command(charter, "scan").expect(2).err


def test_steps_out_of_order_are_refused_and_touch_nothing(stage: Stage, command: Command) -> None:
    charter = stage.charter
    for words in (("plan",), ("move",), ("verify",), ("erase", *confirmed("virginia-db"))):
        failed = command(charter, *words).expect(2)
        assert "domicile scan" in failed.err
    stage.run("scan", "--workers", "1").expect(1)
    for words in (("move",), ("verify",), ("erase", *confirmed("virginia-db"))):
        assert "domicile plan" in command(charter, *words).expect(2).err
    stage.run("plan").expect(0)
    assert "domicile move" in command(charter, "verify").expect(2).err
    _untouched(stage)


def test_an_erasure_before_the_verification_erases_nothing(moved: Stage) -> None:
    reports = moved.run("erase", "--json", *confirmed(*SITES)).expect(1).json["sites"]
    assert all(site["erased"] == site["reduced"] == 0 for site in reports)
    assert all(site["unproven_shards"] > 0 for site in reports)
    assert moved.source_changes() == []
    for path in moved.records.glob("runs/*/certificates/*.json"):
        assert '"complete": true' not in path.read_text()
    moved.run("ledger", "verify").expect(0)


def test_an_erasure_asks_for_its_site_its_size_and_a_yes(verified: Stage, command: Command) -> None:
    charter = verified.charter
    assert "--site" in command(charter, "erase").expect(2).err
    assert "oracle-db" in command(charter, "erase", *confirmed("oracle-db")).expect(2).err
    assert "nowhere" in command(charter, "erase", *confirmed("nowhere")).expect(2).err
    assert (
        "--confirm virginia-db" in command(charter, "erase", "--site", "virginia-db").expect(2).err
    )
    wrong = ("erase", "--site", "virginia-db", "--confirm", "singapore-db")
    command(charter, *wrong).expect(2)
    capped = command(charter, "erase", "--max-items", "3", *confirmed("virginia-db")).expect(2)
    assert "--max-items" in capped.err
    assert verified.source_changes() == []


@pytest.mark.parametrize("step", ["move", "verify", "erase"])
def test_a_charter_that_changed_since_the_plan_is_refused(
    verified: Stage, command: Command, step: str
) -> None:
    with verified.charter.open("a") as charter:
        charter.write("# one more word\n")
    words = (step, *(confirmed(*SITES) if step == "erase" else ()))
    failed = command(verified.charter, *words).expect(2)
    assert "charter changed" in failed.err
    assert verified.source_changes() == []


def test_a_plan_that_was_edited_is_refused(planned: Stage, command: Command) -> None:
    (path,) = planned.records.glob("runs/*/plan.json")
    path.write_text(path.read_text().replace('"blockers": []', '"blockers": [ ]'))
    command(planned.charter, "move").expect(2, 4)
    _untouched(planned)


@pytest.mark.parametrize("kind", ["rows", "objects"])
def test_a_verification_that_was_changed_afterwards_erases_nothing(
    verified: Stage, kind: str
) -> None:
    """A forged proof, whose digest the ledger does not hold."""
    for path in verified.records.glob(f"runs/*/verified/{kind}-*.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    sites = ("virginia-db",) if kind == "rows" else ("virginia-media",)
    verified.erase(*sites).expect(4)
    assert verified.source_changes() == []
    verified.run("ledger", "verify").expect(4)


def test_a_ledger_that_was_tampered_with_is_found_and_ends_everything(verified: Stage) -> None:
    entries = max(
        (path for path in verified.records.glob("ledger/tile/entries/**/*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    data = entries.read_bytes()
    assert b"move.shard-verified" in data
    entries.write_bytes(data.replace(b"move.shard-verified", b"move.shard-verifief", 1))
    verified.run("ledger", "verify").expect(4)
    verified.erase().expect(4)
    assert verified.source_changes() == []


def test_a_scan_file_that_was_changed_is_found_before_anything_rests_on_it(stage: Stage) -> None:
    stage.run("scan", "--workers", "1").expect(1)
    for path in stage.records.glob("runs/*/found/summary.json"):
        path.write_text(path.read_text().replace('"members": ', '"members":  ', 1))
    assert stage.run("ledger", "verify").code == 4


# --- data


def test_rows_of_people_nobody_knows_are_not_examined_and_the_rest_goes_home(stage: Stage) -> None:
    for number in range(5):
        stage.everywhere_away(
            "INSERT INTO watch_events VALUES (%s, 1, 1, '2026-01-01')", 5_000_000 + number
        )
    stage.remember()
    found = stage.run("scan", "--workers", "1", "--json").expect(1).json
    lost = [c for c in found["tables"] if c["unexamined"]]
    assert {(c["site"], c["table"].removeprefix("public."), c["unexamined"]) for c in lost} == {
        ("virginia-db", "watch_events", 5),
        ("singapore-db", "watch_events", 5),
    }
    shown = stage.run("plan").expect(0)
    assert "not examined" in shown.out
    stage.run("move", "--workers", "1").expect(0)
    stage.run("verify", "--workers", "1").expect(0)
    stage.erase("virginia-media", "singapore-media").expect(0)
    stage.erase("virginia-db", "singapore-db").expect(1)
    assert stage.problems() == []
    said = stage.run("scan", "--workers", "1").expect(1)
    assert "everything of the members is at home" not in said.out
    assert "10 items were not examined" in " ".join(said.out.split())
    certificates = [
        json.loads(path.read_text()) for path in stage.records.glob("runs/*/certificates/*.json")
    ]
    assert len(certificates) == 4
    stage.run("ledger", "verify").expect(0)


_AWKWARD = (
    "a b  c.bin",
    " leading and trailing ",
    "été 🌞 \u202e \u0301.bin",
    "/leading",
    "double//slash",
    "//",
    "../../../etc/passwd",
    "..",
    ".",
    "./a/../b",
    "%2F%00",
    "a\\b",
    "con:?*<>|\"'.bin",
    "new\nline",
)


def test_keys_that_are_awkward_go_home_whole_and_empty_objects_too(stage: Stage) -> None:
    member = min(stage.before.members)
    other = next(n for n in range(1, 100) if n not in stage.before.members)
    keys = [f"private/{member}/{rest}" for rest in _AWKWARD if "/" not in rest]
    prefix = f"private/{member}/"
    keys += [prefix + "é" * ((1024 - len(prefix)) // 2), prefix + "x" * (1024 - len(prefix))]
    for place in AWAY:
        for key in keys:
            stage.put(place, key, f"content of {key}".encode())
        stage.put(place, f"{prefix}empty", b"")
        stage.put(place, f"private/{other}/..", b"somebody else's")
    stage.remember()
    stage.tell()
    assert stage.problems() == []
    for key in keys:
        assert stage.get("oracle", key) == f"content of {key}".encode()
    assert stage.get("oracle", f"{prefix}empty") == b""


def test_objects_that_nothing_names_are_not_examined_and_stay(stage: Stage) -> None:
    keys = [*_AWKWARD, "private/", "private//x", "private/no number/x", "private/007/x"]
    for place in AWAY:
        for key in keys:
            stage.put(place, key, b"whose is this?")
    kept = {place: stage.keys(place) for place in AWAY}
    found = stage.run("scan", "--workers", "1", "--json").expect(1).json
    unexamined = {
        site: sum(c["versions"] for c in found["objects"] if (c["site"], c["state"]) == site)
        for site in (("virginia-media", "not examined"), ("singapore-media", "not examined"))
    }
    assert set(unexamined.values()) == {len(keys)}
    stage.run("plan").expect(0)
    stage.run("move", "--workers", "1").expect(0)
    stage.run("verify", "--workers", "1").expect(0)
    stage.erase("virginia-db", "singapore-db").expect(0)
    stage.erase("virginia-media", "singapore-media").expect(1)
    for place in AWAY:
        assert stage.keys(place) >= set(keys)
        assert len(stage.keys(place)) < len(kept[place])
    assert not set(keys) & stage.keys("oracle")
    stage.run("scan", "--workers", "1").expect(1)
