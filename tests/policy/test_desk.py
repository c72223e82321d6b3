"""The desk through the commands: attacks, restored databases, a ledger that takes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domicile.cli.desk import at_the_desk
from domicile.cli.session import Options
from domicile.errors import AccessForbidden, CharterError
from domicile.ledger import Body, read_only
from domicile.policy.desk import Denied, Desk
from domicile.policy.grants import Wanted
from domicile.policy.questions import Caller
from domicile.policy.texts import built_in
from tests.policy.precinct import Precinct

ASK = ("access", "request", "--dataset", "drafts", "--purpose", "engineering")


def granted(precinct: Precinct, *more: str) -> tuple[str, list[str]]:
    """A grant of kim's, and the words with which kim shows who they are."""
    kim = precinct.showing("kim")
    request = precinct.json(*ASK, *more, *kim)["request"]
    for approver in ("ann", "bo"):
        precinct.run("access", "approve", request, *precinct.agreeing(approver))
    assert precinct.json("access", "show", request)["status"] == "active"
    return request, kim


def test_a_state_database_of_yesterday_brings_no_revoked_grant_or_token_back(
    precinct: Precinct,
) -> None:
    request, kim = granted(precinct)
    state = precinct.directory / ".domicile" / "state.sqlite"
    yesterday = precinct.directory / "yesterday"
    shutil.copy(state, yesterday)
    precinct.run("access", "revoke", request, *kim)
    credential = Path(kim[1]).read_text().split("_")[1]
    precinct.run("staff", "revoke", credential)
    assert f"credential {credential} was ended" in precinct.refused(*ASK, *kim)
    shutil.copy(yesterday, state)
    assert f"credential {credential} was ended" in precinct.refused(*ASK, *kim)
    assert precinct.json("access", "show", request)["status"] == "revoked"
    assert not precinct.json(*ASK, *precinct.showing("kim"))["granted"]


def test_without_a_state_database_tokens_and_grants_are_as_the_ledger_has_them(
    precinct: Precinct,
) -> None:
    request, kim = granted(precinct)
    (precinct.directory / ".domicile" / "state.sqlite").unlink()
    again = precinct.json(*ASK, "--hours", "1", *kim)
    assert again == {"request": request, "new": False, "granted": True}


def test_a_wrong_token_is_told_nothing_but_that_it_is_wrong(precinct: Precinct) -> None:
    path = precinct.directory / "wrong"
    path.touch(mode=0o600)
    good = precinct.token("kim")
    for wrong in (
        "x-y-z",
        good[:-1],
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        good + "a",
        "ü",
    ):
        path.write_text(wrong)
        said = precinct.refused(*ASK, "--token-file", str(path))
        assert said.startswith("the token is not good")
        assert wrong not in said
    ledger = b"".join(
        p.read_bytes() for p in precinct.directory.rglob("ledger/**/*") if p.is_file()
    )
    state = (precinct.directory / ".domicile" / "state.sqlite").read_bytes()
    assert good.rpartition("_")[2].encode() not in ledger + state


def test_a_policy_takes_effect_only_as_its_custodians_signed_it(precinct: Precinct) -> None:
    text, other = precinct.directory / "new.cedar", precinct.directory / "other.cedar"
    text.write_text(built_in() + '@id("more") permit (principal, action, resource);')
    other.write_text(text.read_text() + "\n")
    note = precinct.directory / "new.note"
    precinct.run("policy", "propose", str(text), "--out", str(note))
    signed = precinct.sign(note, text)
    assert "is not the policy that was proposed" in precinct.refused(
        "policy", "enact", str(other), *signed
    )
    few = precinct.run("policy", "enact", str(text), signed[0], expect=4)
    assert "1 of the 2 custodians who must sign did" in str(few.exception)
    assert precinct.run("policy", "show").stdout == built_in()  # the old one stays
    text.write_text("permit (principal, action, resource")
    assert "the policy is not sound" in precinct.refused("policy", "enact", str(text), *signed)
    other.write_text(other.read_text().rstrip("\n"))
    precinct.run("policy", "enact", str(other), *signed)
    assert precinct.run("policy", "show").stdout == other.read_text()
    again = precinct.run("policy", "enact", str(other), *signed)
    assert "in force" in again.stdout
    precinct.run("ledger", "verify")


def test_the_old_policys_approval_serves_no_second_time(precinct: Precinct) -> None:
    first, note = precinct.directory / "first.cedar", precinct.directory / "first.note"
    precinct.enact(built_in() + '@id("more") permit (principal, action, resource);', "second")
    signed = [f"{note}.one", f"{note}.two"]
    refused = precinct.run("policy", "enact", str(first), *signed, expect=4)
    assert "was approved before" in str(refused.exception)


def test_explaining_and_comparing_need_no_access(precinct: Precinct) -> None:
    words = ("--staff", "kim", "--dataset", "drafts", "--purpose", "engineering", "--country", "SG")
    done = precinct.run("policy", "explain", *words, expect=1)
    assert "denied by home-team-only: the caller is employed by the company, in SG" in done.stdout
    text = precinct.directory / "open.cedar"
    text.write_text('@id("all") permit (principal, action, resource);')
    kim, target = precinct.showing("kim"), str(precinct.directory / "out")
    read = ("access", "read", "drafts", "a", target, "--purpose", "engineering", *kim)
    assert "denied by home-team-only" in precinct.refused(*read)
    found = precinct.run("policy", "diff", str(text), expect=1).stdout
    assert "would be allowed: kim (company, US) read drafts for engineering, 1 times" in found


def test_who_is_restricted_loses_everything_at_once(precinct: Precinct) -> None:
    request, kim = granted(precinct)
    precinct.run("staff", "restrict", "kim")
    assert "was ended" in precinct.refused(*ASK, *kim)
    assert precinct.json("access", "show", request)["status"] == "revoked"


def test_what_others_publish_is_seen_even_where_the_checkpoint_looks_as_before(
    precinct: Precinct,
) -> None:
    words = ["staff", "restrict", "kim", "--charter", str(precinct.charter)]
    checkpoint = precinct.directory / ".domicile" / "ledger" / "checkpoint"
    kept = checkpoint.with_name("kept")
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        desk = counter.desk
        assert desk.standing.member("kim").id == "kim"
        before, mark = checkpoint.stat(), desk.evidence.mark()
        os.link(checkpoint, kept)
        done = subprocess.run([sys.executable, "-m", "domicile", *words], check=False)
        assert done.returncode == 0
        assert desk.evidence.mark() != mark
        # As if it had been written within one tick of the clock, under a number used again.
        kept.write_bytes(checkpoint.read_bytes().ljust(before.st_size, b"\n")[: before.st_size])
        os.utime(kept, ns=(before.st_atime_ns, before.st_mtime_ns))
        kept.replace(checkpoint)
        assert desk.evidence.mark() == mark
        deadline = time.monotonic() + 1
        while desk.standing.staff["kim"].status == "active":
            assert time.monotonic() < deadline


def test_of_approvals_made_at_once_each_human_counts_once(precinct: Precinct) -> None:
    kim = precinct.showing("kim")
    request = precinct.json(*ASK, *kim)["request"]
    words = ["access", "approve", request, "--charter", str(precinct.charter)]
    shown = [precinct.agreeing(one) for one in ("ann", "ann-2", "ann")]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "domicile", *words, *token],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for token in shown
    ]
    assert sorted(process.wait() for process in running) == [0, 2, 2]
    assert precinct.json("access", "show", request)["status"] == "open"


def test_while_the_ledger_takes_nothing_nothing_is_granted_or_used(precinct: Precinct) -> None:
    request, kim = granted(precinct)
    resource_limited = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        " runpy.run_module('domicile', run_name='__main__', alter_sys=True)"
    )
    for words in (
        ("access", "request", "--dataset", "others", "--purpose", "engineering"),
        (
            "access",
            "read",
            "drafts",
            "a",
            str(precinct.directory / "o"),
            "--purpose",
            "engineering",
        ),
    ):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                resource_limited,
                *words,
                *kim,
                "--charter",
                str(precinct.charter),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3, done.stderr
    assert not (precinct.directory / "o").exists()
    shown = precinct.json("access", "list", "--all")
    assert [one["request"] for one in shown] == [request]
    assert shown[0]["accesses"] == 0


MASKED = (
    built_in()
    + """
@id("masked") @mask("user.contact")
permit (principal, action == Action::"read", resource) when { context has grant };
"""
)


def test_what_must_be_masked_is_not_given_out_whole(precinct: Precinct) -> None:
    _, kim = granted(precinct)
    precinct.enact(MASKED, "masked")
    target = precinct.directory / "out"
    read = ("access", "read", "drafts", "a", str(target), "--purpose", "engineering", *kim)
    assert "granted, masked allow it masked, sampled or sealed" in precinct.refused(*read)
    assert not target.exists()


def another_charter(precinct: Precinct, change: str) -> None:
    """Have the custodians approve the charter with another rule of access."""
    text = precinct.charter.read_text()
    assert "approvers =" in text
    precinct.charter.write_text(text.replace("approvers =", f"{change}\napprovers =", 1))
    proposal = precinct.directory / "another.note"
    precinct.run("custody", "propose", "charter", "--out", str(proposal))
    precinct.run("custody", "enact", *precinct.sign(proposal, precinct.charter))


def test_looking_writes_nothing_not_even_the_rules_of_a_new_charter(precinct: Precinct) -> None:
    another_charter(precinct, "approvals = 3")
    ledger = precinct.directory / ".domicile" / "ledger"
    before = read_only(ledger).size
    kim = ("--staff", "kim", "--dataset", "drafts", "--purpose", "engineering")
    precinct.run("policy", "explain", *kim, expect=1)
    for words in (("staff", "list"), ("access", "list"), ("access", "history")):
        precinct.run(*words)
    assert read_only(ledger).size == before


@contextmanager
def at_desk(precinct: Precinct) -> Iterator[Desk]:
    """The desk, held open by this process."""
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        yield counter.desk


def test_a_policy_that_is_enacted_meanwhile_ends_an_access_before_anything_is_given(
    precinct: Precinct, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = '@id("nobody") forbid (principal, action, resource);'
    cy = Caller("cy", "US", second_factor=True)
    wanted = Wanted("read", "drafts", "moderation")
    with at_desk(precinct) as desk:
        assert desk.decide(cy, wanted)[0].allowed
        check = desk.check

        def then_somebody_enacts(body: Body) -> None:
            check(body)
            precinct.enact(strict, "strict")

        monkeypatch.setattr(desk, "check", then_somebody_enacts)
        with pytest.raises(AccessForbidden, match="another policy enacted, meanwhile"):
            desk.open(cy, wanted)
        monkeypatch.undo()
        assert desk.standing.open == {}
        with pytest.raises(Denied, match="denied by nobody"):
            desk.open(cy, wanted)


def test_under_a_charter_that_another_replaced_nothing_is_recorded(precinct: Precinct) -> None:
    with at_desk(precinct) as desk:
        assert desk.open(Caller("cy", "US"), Wanted("read", "drafts", "moderation"))
        another_charter(precinct, "approvals = 3")
        with pytest.raises(CharterError, match="is not in force"):
            desk.open(Caller("cy", "US"), Wanted("read", "drafts", "moderation"))
