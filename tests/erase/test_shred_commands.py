"""``domicile shred``, as somebody uses it, and killed at any instant."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from domicile.custody.entries import ShredDone
from tests.erase.shredding import ANNA, BEN, EVERYBODY, ShredWorld

LONG = os.environ.get("DOMICILE_LONG_TESTS") == "1"
_CHANGES = 79
"""How many changes to files the whole of a run makes here."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("shredding") / "made"
    base.mkdir()
    ShredWorld(base)
    return base


@pytest.fixture
def world(made: Path, tmp_path: Path) -> ShredWorld:
    shutil.copytree(made, tmp_path / "reel")
    return ShredWorld(tmp_path / "reel")


def test_from_the_request_to_the_certificate(world: ShredWorld, tmp_path: Path) -> None:
    listed = tmp_path / "persons"
    listed.write_text(f"{ANNA}\n\n{BEN}\n{ANNA}")
    asked = world.command("shred", "request", "--persons-from", str(listed), "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["persons"] == 2
    status = world.command("shred", "status", "--json")
    assert status.returncode == 1
    (request,) = json.loads(status.stdout)["requests"]
    assert (request["phase"], request["due"], request["persons"]) == ("requested", True, 2)
    unconfirmed = world.command("shred", "run")
    assert unconfirmed.returncode == 2
    assert "--confirm us" in unconfirmed.stderr
    assert world.readable() == set(EVERYBODY)
    done = world.command("shred", "run", "--confirm", "us", "--json")
    assert done.returncode == 0, done.stderr
    (path,) = json.loads(done.stdout)["done"].values()
    assert world.certificate(path)["persons"] == 2
    status = world.command("shred", "status")
    assert status.returncode == 0
    assert f"done, certificate {path}" in status.stdout
    assert world.readable() == set(EVERYBODY) - {ANNA, BEN}
    assert world.command("ledger", "verify").returncode == 0


def test_a_request_is_cancelled_by_its_id(world: ShredWorld) -> None:
    asked = world.command("shred", "request", "--persons-from", "-", "--json", stdin=ANNA)
    request = json.loads(asked.stdout)["request"]
    assert world.command("shred", "cancel", request).returncode == 0
    assert "cancelled" in world.command("shred", "status").stdout
    assert "nothing to do" in world.command("shred", "run").stdout
    again = world.command("shred", "cancel", request)
    assert again.returncode == 2
    assert "is cancelled" in again.stderr
    assert world.readable() == set(EVERYBODY)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("", "names nobody"),
        ("\n\n", "names nobody"),
        (f"{ANNA}\nperson-unheard-of\n{BEN}\nelsewhere\n", "lines 2, 4 of the list name nobody"),
        (f"{ANNA}\nperson\0\n", "lines 2 of the list hold no person's key"),
        (f" {ANNA}\n", "lines 1 of the list name nobody"),
    ],
)
def test_a_bad_list_is_refused_before_anything_and_persons_are_not_repeated(
    world: ShredWorld, listed: str, said: str
) -> None:
    asked = world.command("shred", "request", "--persons-from", "-", stdin=listed)
    assert asked.returncode == 2
    assert said in " ".join(asked.stderr.split())
    assert "person-" not in asked.stderr + asked.stdout
    assert json.loads(world.command("shred", "status", "--json").stdout)["requests"] == []


def test_a_long_list_needs_to_be_allowed(world: ShredWorld) -> None:
    listed = "\n".join(EVERYBODY)
    words = ("shred", "request", "--persons-from", "-", "--max-persons")
    refused = world.command(*words, "3", stdin=listed)
    assert refused.returncode == 2
    assert f"--max-persons {len(EVERYBODY)}" in refused.stderr
    assert world.command(*words, str(len(EVERYBODY)), stdin=listed).returncode == 0


def test_a_list_that_is_not_there_is_an_error_of_the_operators(world: ShredWorld) -> None:
    asked = world.command("shred", "request", "--persons-from", "nowhere")
    assert asked.returncode == 2
    assert "No such file" in asked.stderr


def test_a_member_without_data_can_be_erased_and_readmitted(world: ShredWorld) -> None:
    nobody = "person-799999999999"
    words = ("--persons-from", "-")
    assert world.command("shred", "request", *words, stdin=nobody).returncode == 0
    assert world.command("shred", "run", "--confirm", "us").returncode == 0
    assert "1 were erased before" in world.command("shred", "request", *words, stdin=nobody).stdout
    assert world.command("shred", "readmit", *words, stdin=ANNA).returncode == 2
    assert world.command("shred", "readmit", *words, stdin=nobody).returncode == 0
    assert "the keys of 1 persons" in world.command("shred", "request", *words, stdin=nobody).stdout


def test_without_keys_there_is_nothing_to_shred(world: ShredWorld) -> None:
    text = world.charter.read_text()
    world.charter.write_text(text[: text.index("[boundaries.us.keys]")])
    asked = world.command("shred", "request", "--persons-from", "-", stdin=ANNA)
    assert asked.returncode == 2
    assert "boundary us has no keys" in asked.stderr


@pytest.mark.parametrize("seed", range(30) if LONG else range(2))
def test_a_run_that_is_killed_anywhere_goes_on(world: ShredWorld, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - seeded
    asked = world.command("shred", "request", "--persons-from", "-", stdin=f"{ANNA}\n{BEN}")
    assert asked.returncode == 0
    hits = 0
    for kill in range(6):
        delay_s = rng.choice((0.003, 0.01)) if kill % 2 else 0.0
        nth = rng.randint(1, _CHANGES // 5)
        code = world.struck(nth, delay_s, "shred", "run", "--confirm", "us")
        assert code in (0, -9)
        if code == 0:
            break
        hits += 1
    assert hits >= 3
    ended = world.command("shred", "run", "--confirm", "us", "--json")
    assert ended.returncode == 0, ended.stderr
    (shown,) = json.loads(world.command("shred", "status", "--json").stdout)["requests"]
    assert shown["phase"] == "done"
    done = [body for body in world.recorded() if isinstance(body, ShredDone)]
    assert [body.files[0].path for body in done] == [shown["certificate"]]
    assert world.readable() == set(EVERYBODY) - {ANNA, BEN}
    verified = world.command("ledger", "verify")
    assert verified.returncode == 0, verified.stdout
