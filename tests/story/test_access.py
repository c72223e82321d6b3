"""The story of access: denied, asked for, approved by two, used, revoked; and what the ledger says
of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from domicile.cli.main import cli
from domicile.ledger import FileSigner
from domicile.policy.texts import built_in
from tests.story.stage import Stage
from tests.story.test_custodians import act, approve, name_custodians


def policy_in_force(stage: Stage, text: str, name: str) -> None:
    """Have two custodians sign a policy, and enact it."""
    path, proposal = stage.directory / f"{name}.cedar", stage.directory / f"{name}.note"
    for old in stage.directory.glob(f"{name}.note*"):
        old.unlink()
    path.write_text(text)
    stage.run("policy", "propose", str(path), "--out", str(proposal)).expect(0)
    signed = []
    for who in ("one", "two"):
        out = f"{proposal}.{who}"
        key = str(stage.directory / f"{who}.key")
        act("sign", str(proposal), "--key", key, "--text", str(path), "--out", out)
        signed.append(out)
    stage.run("policy", "enact", str(path), *signed).expect(0)


def token_of(stage: Stage, staff: str, *more: str) -> list[str]:
    """The words with which a staff member's commands end."""
    given = json.loads(stage.run("staff", "credential", staff, *more, "--json").expect(0).out)
    path = stage.directory / f"{staff}.token"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(given["token"] + "\n")
    return ["--token-file", str(path)]


def hire(stage: Stage, staff: str, employer: str, country: str, *more: str) -> None:
    words = ("--team", "a-team", "--employer", employer, "--country", country)
    stage.run("staff", "set", staff, *words, *more).expect(0)


def _key(stage: Stage, approver: str) -> str:
    path = stage.directory / f"{approver}.key"
    path.unlink(missing_ok=True)  # an earlier test's
    return FileSigner.create_or_load(path, f"custodian.example/{approver}").vkey


def settle(stage: Stage) -> None:
    """The members' data is home, and approvers and staff are known."""
    name_custodians(stage, "one", "two", "three")
    text = stage.charter.read_text()
    approvers = "\n".join(f'{one} = "{_key(stage, one)}"' for one in ("ann", "bo", "cy", "ann-2"))
    stage.charter.write_text(
        f"{text}\n[boundaries.us.access.approvers]\n{approvers}\n"
        '[networks.here]\ncountry = "US"\nranges = ["127.0.0.0/8"]\n'
    )
    stage.run("scan", "--workers", "1").expect(1)
    stage.run("custody", "enact", *approve(stage, "charter", "charter")[1::2]).expect(0)
    for command in ("plan", "move", "verify"):
        stage.run(command).expect(0)
    for approver, manager in (("ann", ""), ("bo", ""), ("cy", ""), ("ann-2", "")):
        human = "ann" if approver == "ann-2" else ""
        hire(stage, approver, "custodian", "US", "--manager", manager, "--human", human)
    hire(stage, "boss", "company", "SG")
    hire(stage, "kim", "company", "SG", "--manager", "boss", "--role", "engineering")


def test_denied_asked_approved_by_two_used_revoked_and_told(stage: Stage) -> None:
    settle(stage)
    kim = token_of(stage, "kim")
    key = next(k for k in sorted(stage.keys("oracle")) if k.startswith("drafts/"))
    target = stage.directory / "read"
    read = ("access", "read", "drafts", key, str(target), "--purpose", "engineering", *kim)
    said = " ".join(stage.run(*read).expect(2).err.split())
    assert "no policy is in force: nothing is allowed" in said
    policy_in_force(stage, built_in(), "first")

    said = " ".join(stage.run(*read).expect(2).err.split())
    assert "denied by home-team-only: the caller is employed by the company" in said
    ask = "domicile access request --dataset drafts --action read --purpose engineering"
    assert ask in said
    asked = stage.run(*ask.split()[1:], "--reason", "a ticket", *kim, "--json").expect(0)
    request = json.loads(asked.out)["request"]

    ann, bo = _agreed_by_two(stage, request, kim, read)
    again = stage.run(*ask.split()[1:], "--hours", "1", *kim, "--json").expect(0)
    assert json.loads(again.out) == {"request": request, "new": False, "granted": True}

    stage.run(*read).expect(0)
    (opened,) = (path for path in target.rglob("*") if path.is_file())
    assert opened.read_bytes()
    stage.run("access", "revoke", request, *ann[:2]).expect(0)
    second = [*read[:4], f"{target}-2", *read[5:]]
    said = " ".join(stage.run(*second).expect(2).err.split())
    assert "denied by home-team-only" in said
    assert not Path(f"{target}-2").exists()

    _history_is_whole(stage)
    capped = stage.run(*ask.split()[1:], "--hours", "20", "--bytes", "1", *kim, "--json")
    less = json.loads(capped.expect(0).out)["request"]
    for approver in (ann, bo):
        stage.run("access", "approve", less, *approver).expect(0)
    small = [*read[:4], f"{target}-3", *read[5:]]
    assert "expected: at most 1, as the grant" in " ".join(stage.run(*small).expect(2).err.split())
    stage.run("staff", "restrict", "kim").expect(0)
    said = " ".join(stage.run(*second).expect(2).err.split())
    assert "was ended" in said
    stage.run("ledger", "verify").expect(0)


def _agreed_by_two(
    stage: Stage, request: str, kim: list[str], read: Sequence[str]
) -> list[list[str]]:
    """Two agree, and nobody else can; the words with which they show who they are, and sign."""
    factors = {"ann": True, "bo": True, "ann-2": True, "cy": False}
    ann, bo, twice, weak = (
        [
            *token_of(stage, one, *(("--second-factor",) if factor else ())),
            *("--key", str(stage.directory / f"{one}.key")),
        ]
        for one, factor in factors.items()
    )

    def refused(*words: str) -> str:
        said = stage.run("access", "approve", request, *words).expect(2).err
        return " ".join(said.split())

    assert "denied by second-factor" in refused(*weak)
    assert "denied by second-factor" in refused(*kim, *ann[2:])
    assert "either --key, or --signed" in refused(*ann[:2])
    assert "ann did not sign it" in refused(*ann[:2], *bo[2:])
    stage.run("access", "approve", request, *ann).expect(0)
    assert f"ann-2 approved {request} before" in refused(*twice)  # the same human
    stage.run(*read).expect(2)
    note, signed = stage.directory / "agreement", stage.directory / "agreement.signed"
    for old in (note, signed):
        old.unlink(missing_ok=True)
    stage.run("access", "agreement", request, *bo[:2], "--out", str(note)).expect(0)
    words = ["access", "sign", str(note), *bo[2:], "--out", str(signed)]
    assert cli.main(words, standalone_mode=False) == 0  # elsewhere: it needs no charter
    assert "is not what ann would agree to now" in refused(*ann[:2], "--signed", str(signed))
    stage.run("access", "approve", request, *bo[:2], "--signed", str(signed)).expect(0)
    return [ann, bo]


def _history_is_whole(stage: Stage) -> None:
    lines = json.loads(
        stage.run("access", "history", "--dataset", "drafts", "--json").expect(0).out
    )
    told = [(line["staff"], line["kind"]) for line in lines]
    denied = [staff for staff, kind in told if kind == "access.denied"]
    assert denied == ["kim", "cy", "kim", "kim", "kim"]  # one of them: to approve
    assert [one for one in told if one[1] != "access.denied"] == [
        ("kim", "access.request-made"),
        ("ann", "access.agreed"),
        ("bo", "access.agreed"),
        ("kim", "access.opened"),
        ("kim", "access.closed"),
        ("ann", "access.grant-changed"),
    ]
