"""``domicile ledger export``, from the records to the verdict of the stand-alone program."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from domicile.charter import load_charter
from domicile.cli.main import cli
from domicile.errors import EvidenceError, UsageError
from domicile.inventory import FOUND, Evidence, Run, digest_under, write_bytes, write_parquet
from domicile.ledger.tlog_proof import TlogProof
from domicile.move.entries import Planned, ShardVerified
from domicile.move.plan import ObjectShard, Plan, RowShard
from scripts.make_docs import EXAMPLE

RUN = "20260301T000000Z-abcdef"
UNWITNESSED = EXAMPLE.partition("[ledger]")[0]


@pytest.fixture
def charter(tmp_path: Path) -> Path:
    """A charter whose ledger holds its text, a plan and the verifications of three datasets."""
    path = tmp_path / "domicile.toml"
    path.write_text(UNWITNESSED, encoding="utf-8")
    records = tmp_path / ".domicile"
    run = Run(records, RUN)
    shards = ["rows-messages-00000", "rows-users-00000"]
    write_bytes(run.plan, _plan(run, shards))
    with Evidence(records, load_charter(path)) as evidence:
        plan = digest_under(run.plan, records)
        evidence.record(Planned(RUN, "us", 2, 1, 2, 0, (plan,)))
        for shard in [*shards, "objects-000000"]:
            write_bytes(run.verified(shard, 0), shard.encode())
            file = digest_under(run.verified(shard, 0), records)
            evidence.record(ShardVerified(RUN, shard, "home", ("virginia_db",), (), 1, 0, (file,)))
    return path


def _plan(run: Run, shards: list[str]) -> bytes:
    times = {"modified": datetime(2026, 3, 1, tzinfo=UTC), "is_latest": True, "size_bytes": 1}
    row = dict.fromkeys(FOUND.names, "") | times | {"dataset": "avatars", "shared": False}
    write_parquet(run.shard("objects-000000"), FOUND, [pa.Table.from_pylist([row], schema=FOUND)])
    rows = tuple(RowShard(id_, "members", "public", id_.split("-")[1], 1) for id_ in shards)
    objects = (ObjectShard("objects-000000", 1, 1, 0, 0, 1, ("virginia_media",)),)
    nothing = dict.fromkeys(("databases", "stores", "tables", "effects", "sequences", "held"), ())
    plan = Plan(
        run=run.id,
        boundary="us",
        charter_sha256="a" * 64,
        made="",
        routes=(),
        home_objects=None,
        rows=rows,
        objects=objects,
        blockers=(),
        warnings=(),
        unexamined=0,
        files=(),
        **nothing,
    )
    return msgspec.json.encode(plan)


def export(charter: Path, *words: str) -> Result:
    out = str(charter.with_name("bundle.json"))
    command = ["ledger", "export", "--charter", str(charter), "--out", out, *words]
    return CliRunner().invoke(cli, command, standalone_mode=False)


def asked(charter: Path) -> list[int]:
    document = json.loads(charter.with_name("bundle.json").read_bytes())
    return [row["index"] for row in document["entries"] if row["asked"]]


def test_the_command_that_is_printed_checks_the_bundle(charter: Path, tmp_path: Path) -> None:
    done = export(charter, "--with-files", str(tmp_path / "files"), "--kind", "move")
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.output.splitlines() if line.startswith("check it: "))
    words = shlex.split(line.removeprefix("check it: "))
    checked = subprocess.run([sys.executable, *words[1:]], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert b"ok           4 files are what entries say of them" in checked.stdout


@pytest.mark.parametrize(
    ("words", "indices"),
    [
        (["--dataset", "messages"], [1, 2]),
        (["--dataset", "users"], [1, 3]),
        (["--dataset", "avatars"], [1, 4]),
        (["--dataset", "messages", "--dataset", "users"], [1, 2, 3]),
        (["--dataset", "messages", "--kind", "move.shard-verified"], [2]),
        (["--run", RUN, "--site", "virginia_db"], [2, 3, 4]),
        (["--first", "1", "--end", "3"], [1, 2]),
        (["--since", "2020-01-01", "--until", "2200-01-01T00:00:00Z"], [0, 1, 2, 3, 4]),
        ([], [0, 1, 2, 3, 4]),
    ],
)
def test_filters_choose_the_entries(charter: Path, words: list[str], indices: list[int]) -> None:
    assert export(charter, *words).exit_code == 0
    assert asked(charter) == indices


def test_what_nothing_answers_is_not_written(charter: Path) -> None:
    done = export(charter, "--until", "2020-01-01")
    assert isinstance(done.exception, UsageError)
    assert not charter.with_name("bundle.json").exists()


def test_proofs_are_written_for_other_tools(charter: Path, tmp_path: Path) -> None:
    assert export(charter, "--proofs", str(tmp_path / "proofs")).exit_code == 0
    names = sorted(path.name for path in (tmp_path / "proofs").iterdir())
    assert names == sorted(f"{n}.{kind}" for n in range(5) for kind in ("json", "tlog-proof"))
    assert TlogProof.parse((tmp_path / "proofs" / "3.tlog-proof").read_bytes()).index == 3


def test_a_file_that_was_changed_is_not_handed_over(charter: Path, tmp_path: Path) -> None:
    Run(charter.with_name(".domicile"), RUN).verified("rows-users-00000", 0).write_bytes(b"other")
    done = export(charter, "--with-files", str(tmp_path / "files"))
    assert isinstance(done.exception, EvidenceError)


def test_as_json_it_says_the_same(charter: Path) -> None:
    done = export(charter, "--json", "--first", "1")
    said = json.loads(done.output)
    assert (said["asked"], said["rested_on"], said["size"], said["broken"]) == (4, 1, 5, [])


def test_it_needs_no_other_site_and_no_secret(charter: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(charter.parent, tmp_path.parent / f"{tmp_path.name}-copy"))
    words = ["ledger", "export", "--out", "b.json", "--charter", "domicile.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "domicile", *words], cwd=copy, env={"PATH": ""}, check=False
    )
    assert done.returncode == 0


def test_the_keys_of_the_charters_witnesses_come_along(charter: Path) -> None:
    name, key = re.findall(r'keys = \["(.*?)\+(.*?)"\]', EXAMPLE)[0]
    charter.write_text(EXAMPLE, encoding="utf-8")
    log = charter.parent / ".domicile" / "ledger"
    assert export(charter).exit_code == 0
    document = json.loads(charter.with_name("bundle.json").read_bytes())
    assert document["keys"]["witnesses"] == [f"{name}+{key}"]
    assert document["keys"]["log"] == (log / "log.vkey").read_text("utf-8").split()


def test_a_day_is_included_to_its_end(charter: Path) -> None:
    (first, *_, last) = _times(charter)
    assert export(charter, "--since", first[:10], "--until", last[:10]).exit_code == 0
    assert asked(charter) == [0, 1, 2, 3, 4]


def _times(charter: Path) -> list[str]:
    assert export(charter).exit_code == 0
    rows = json.loads(charter.with_name("bundle.json").read_bytes())["entries"]
    return [json.loads(row["entry"])["time"] for row in rows]
