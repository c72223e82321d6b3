"""The desk over HTTP: the same rules, one shape of errors, countries by address alone."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.conftest import Answer, Served, serving
from tests.policy.precinct import Precinct

INSIDE, OFFICE, ELSEWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
QUESTION = {"dataset": "drafts", "purpose": "engineering"}
REQUEST = {"datasets": ["drafts"], "purpose": "engineering", "hours": 1}


@pytest.fixture(scope="module")
def tokens(served: Served) -> dict[str, str]:
    """A token of everybody's; approvers' have a second factor."""
    approvers = ("ann", "ann-2", "bo", "cy")
    found = {one: served.precinct.token(one, "--second-factor") for one in approvers}
    return found | {one: served.precinct.token(one) for one in ("kim", "boss", "app")}


def problem(answer: Answer, status: int) -> str:
    """An error of the documented shape; what it says."""
    assert answer.status == status, answer
    assert answer.media_type == "application/problem+json"
    assert set(answer.body) == {
        "title",
        "status",
        "detail",
        "expected",
        "next_step",
        "policies",
    }
    assert answer.body["status"] == status
    return str(answer.body["detail"])


def test_denied_abroad_asked_approved_by_two_used_revoked(
    served: Served, tokens: dict[str, str]
) -> None:
    kim, ann, bo = tokens["kim"], tokens["ann"], tokens["bo"]
    denied = served.ask("POST", "/v1/accesses", QUESTION, token=kim, address=OFFICE)
    said = problem(denied, 403)
    assert said == "denied by home-team-only: the caller is employed by the company, in SG"
    assert denied.body["policies"] == ["home-team-only"]
    assert denied.body["next_step"].startswith("ask with `domicile access request --dataset drafts")

    asked = served.ask("POST", "/v1/requests", REQUEST, token=kim, address=OFFICE)
    assert (asked.status, asked.body["status"], asked.body["is_new"]) == (201, "open", True)
    path = f"/v1/requests/{asked.body['request']}"
    problem(served.agree(path, "ann", ann, ELSEWHERE), 403)
    problem(served.agree(path, "ann", kim), 403)
    problem(served.agree(path, "ann", tokens["boss"]), 404)
    assert "did not sign it" in problem(served.agree(path, "bo", ann), 409)
    unsigned = served.ask("GET", f"{path}/agreement", token=ann).body
    assert unsigned["what"] == "approved"
    problem(served.ask("POST", f"{path}/agreements", {"note": unsigned["note"]}, token=ann), 409)
    problem(served.ask("POST", f"{path}/answers", {"answer": "approved"}, token=ann), 400)
    assert served.agree(path, "ann", ann).status == 201
    said = problem(served.agree(path, "ann-2", tokens["ann-2"]), 409)
    assert "ann-2 approved" in said
    granted = served.agree(path, "bo", bo)
    assert granted.body["status"] == "active"

    opened = served.ask("POST", "/v1/accesses", QUESTION, token=kim, address=OFFICE)
    assert opened.status == 201
    assert opened.body["decision"]["policies"] == ["granted"]
    close = f"/v1/accesses/{opened.body['access']}/close"
    went = {"items": 3, "size_bytes": 99}
    (left,) = served.ask("GET", "/v1/accesses", token=kim).body
    assert (left["access"], left["dataset"]) == (opened.body["access"], "drafts")
    assert served.ask("GET", "/v1/accesses", token=tokens["app"]).body == []
    problem(served.ask("POST", close, went, token=tokens["app"]), 404)
    assert served.ask("POST", close, went, token=kim).status == 204
    problem(served.ask("POST", close, went, token=kim), 404)  # and not twice
    assert served.ask("GET", "/v1/accesses", token=kim).body == []

    revoke = {"change": "revoked"}
    assert served.ask("POST", f"{path}/changes", revoke, token=bo).body["status"] == "revoked"
    problem(served.ask("POST", "/v1/accesses", QUESTION, token=kim, address=OFFICE), 403)
    told = served.ask("GET", "/v1/history?dataset=drafts", token=bo).body
    kinds = [line["kind"].removeprefix("access.") for line in told]
    assert kinds.count("opened") == kinds.count("closed") == 1
    assert kinds[-2:] == ["grant-changed", "denied"]
    assert served.ask("GET", "/v1/history", token=tokens["app"]).body == []


def test_the_country_is_the_connections_whatever_headers_say(
    served: Served, tokens: dict[str, str]
) -> None:
    question = {"dataset": "drafts", "purpose": "moderation"}
    lies = dict.fromkeys(("x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"), INSIDE)
    for address, allowed in ((INSIDE, True), (OFFICE, False), (ELSEWHERE, False)):
        told = served.ask(
            "POST", "/v1/decisions", question, token=tokens["cy"], address=address, headers=lies
        )
        assert (told.status, told.body["allowed"]) == (200, allowed)


def test_nobody_is_told_anything_without_a_good_token(
    served: Served, tokens: dict[str, str]
) -> None:
    good = tokens["kim"]
    for token in ("", "x", good[:-1], good.upper()):
        for method, path in (("GET", "/v1/requests"), ("POST", "/v1/accesses")):
            body = QUESTION if method == "POST" else None
            assert problem(served.ask(method, path, body, token=token), 401)


def test_no_bytes_whatever_upset_the_server(served: Served, tokens: dict[str, str]) -> None:
    kim = tokens["kim"]
    bodies = (
        b"",
        b"\xff\xfe{}",
        b'{"datasets":["\\ud800"],"purpose":"engineering"}',
        b'{"datasets":["drafts"],"purpose":"engineering","reason":"\\ud800"}',
        b'{"datasets":["drafts"],"purpose":"engineering","hours":1e999}',
        b'{"datasets":["drafts"],"purpose":"engineering","hours":NaN}',
        b"[" * 60_000,
        b'{"dataset":' * 5_000,
        b"\0" * 100,
    )
    for body in bodies:
        for path in ("/v1/requests", "/v1/decisions", "/v1/requests/r-aaaaaaaaaaaaa/answers"):
            problem(served.ask("POST", path, body, token=kim), 400)
    for path in ("%00", "%ff", "..%2f..", "x" * 5_000, "%F0%9F%92%A9", "'--"):
        problem(served.ask("GET", f"/v1/requests/{path}", token=kim), 404)
    assert served.ask("GET", "/v1/history?since=%00&dataset=%ff&grant=%27", token=kim).body == []
    unknown = served.ask("GET", "/v1/history?datset=drafts", token=kim)
    assert problem(unknown, 400) == "there is no query parameter 'datset'"
    for token in ("%00", "\xe9", "x" * 9_000, "a.b.c", "domicile_c-" + "a" * 13 + "_" + "a" * 52):
        answer = served.ask("GET", "/v1/requests", token=token, address=ELSEWHERE)
        assert answer.status in (400, 401), token
    assert served.ask("GET", "/healthy").status == 200


def test_what_cannot_be_understood_is_told_in_the_same_shape(
    served: Served, tokens: dict[str, str]
) -> None:
    kim = tokens["kim"]
    bodies: list[object] = [
        {**REQUEST, "hours": 0},
        {**REQUEST, "datasets": []},
        {**REQUEST, "datasets": ["a\nb"]},
        {**REQUEST, "surprise": 1},
        {**REQUEST, "purpose": "ignore all policies"},
        {**REQUEST, "starts": "2026-02-31T00:00:00.000Z"},
        {**REQUEST, "starts": "2027-02-29T00:00:00.000Z"},
        {**REQUEST, "starts": "9999-12-31T00:00:00.000Z"},
        {**REQUEST, "hours": 10**400},
        {**REQUEST, "caps": {"items": -1}},
        [],
        None,
    ]
    for body in bodies:
        problem(served.ask("POST", "/v1/requests", body, token=kim), 400)
    problem(served.ask("GET", "/v1/nothing", token=kim), 404)
    problem(served.ask("DELETE", "/v1/requests", token=kim), 405)
    long = {**REQUEST, "reason": "x" * 100_000}
    problem(served.ask("POST", "/v1/requests", long, token=kim), 413)
    served_after = served.ask("GET", "/healthy")
    assert served_after.status == 200


@pytest.fixture
def own(own_precinct: Precinct) -> Iterator[Served]:
    """A server of one's own."""
    with serving(own_precinct) as running:
        yield running


def test_a_revocation_at_the_command_line_holds_at_the_server_within_a_second(own: Served) -> None:
    token = own.precinct.token("kim")
    assert own.ask("GET", "/v1/requests", token=token).status == 200
    own.precinct.run("staff", "restrict", "kim")
    said = problem(own.ask("GET", "/v1/requests", token=token), 401)
    assert "was ended" in said


def test_no_token_and_no_reason_stands_in_the_servers_log(
    own_precinct: Precinct, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(own_precinct) as running:
        token = running.precinct.token("kim")
        running.ask("POST", "/v1/requests", {**REQUEST, "reason": "secret-reason"}, token=token)
        running.ask("POST", "/v1/requests", {**REQUEST, "hours": -1}, token=token)
        running.ask("GET", f"/v1/requests?token={token}", token=token)
        running.ask("GET", f"/v1/requests/{token}", token=token)
        running.ask("POST", "/v1/requests", f"{{{token}".encode(), token=token)
        running.ask("POST", "/v1/requests", b"[" * 5000, token=token)
        running.ask("GET", "/v1/requests", headers={"x-forwarded-for": token}, token=token[:-1])
        running.ask("GET", "/v1/requests", headers={"x": "y" * 70_000}, token=token)
        with socket.create_connection(("127.0.0.1", running.port), 30) as raw:
            raw.sendall(f"GET / HTTP/9.9\r\nauthorization: Bearer {token}\r\nx y\r\n\r\n".encode())
            assert raw.recv(12) == b"HTTP/1.1 400"
        own_precinct.run("staff", "restrict", "kim")
        problem(running.ask("GET", "/v1/requests", token=token), 401)
        (own_precinct.directory / ".domicile" / "ledger" / "checkpoint").write_bytes(b"broken")
        assert running.ask("GET", "/v1/requests", token=token).status in (401, 500, 503)
    out, err = capfd.readouterr()
    secret = re.sub(r".*_", "", token)
    assert secret not in out.replace(token, "") + err
    assert "secret-reason" not in out + err
    ledger = Path(own_precinct.directory / ".domicile" / "ledger")
    found = b"".join(path.read_bytes() for path in ledger.rglob("*") if path.is_file())
    assert b"secret-reason" not in found
