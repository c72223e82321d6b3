"""Notices: who is told what of requests and grants, signed, at least once, and no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from domicile.charter import Mail, Notices
from domicile.policy.delivery import NotSent, deliver
from domicile.policy.notices import Notice, endings, mail_of, notices_of
from domicile.state import NOTIFIED, State
from tests.policy.office import answered, asked_for, at, changed, hired, name, office, person, took
from tests.policy.precinct import Precinct

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
WORDS = "because-of-a-person"
ASKED = ("access", "request", "--dataset", "drafts", "--purpose", "engineering")


class Hook:
    """A webhook's server: what it was told, and what it answers."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.code = 204
        self.meanwhile: Callable[[], object] = lambda: None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.meanwhile()
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.taken.append(
                    (self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                )
                self.send_response(hook.code)
                if 300 <= hook.code < 400:
                    self.send_header("location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"

    @property
    def told(self) -> list[Any]:
        """What it was told, each once, as JSON."""
        return [
            json.loads(body) for body in {h["webhook-id"]: b for _, h, b in self.taken}.values()
        ]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def told(precinct: Precinct, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Precinct:
    """A precinct whose charter, in force, names the hook."""
    name_hook(precinct, hook)
    monkeypatch.setenv("NOTICE_SECRET", SECRET)
    return precinct


def name_hook(precinct: Precinct, hook: Hook) -> None:
    text = precinct.charter.read_text()
    precinct.charter.write_text(
        f'{text}\n[notices.approvers]\nurl = "{hook.url}"\nsecret_env = "NOTICE_SECRET"\n'
    )
    proposal = precinct.directory / "notices.note"
    precinct.run("custody", "propose", "charter", "--out", str(proposal))
    precinct.run("custody", "enact", *precinct.sign(proposal, precinct.charter))


def ask(precinct: Precinct, *more: str) -> str:
    words = (
        "--dataset",
        "drafts",
        "--purpose",
        "engineering",
        "--reason",
        WORDS,
        "--ticket",
        "T-1",
    )
    done = precinct.json("access", "request", *words, *precinct.showing("kim"), *more)
    return str(done["request"])


def test_a_webhook_is_told_of_each_step_signed_and_without_reasons(
    told: Precinct, hook: Hook
) -> None:
    request = ask(told, "--hours", "1")
    for approver in ("ann", "bo"):
        told.run("access", "approve", request, *told.agreeing(approver))
    told.run("access", "revoke", request, "--operator")
    glass = ask(told, "--break-glass", "--hours", "2")
    told.run("staff", "restrict", "kim")
    events = [one["type"] for one in hook.told]
    assert events == [
        "request.made",
        "request.answered",
        "request.answered",
        "grant.begun",
        "grant.ending",
        "grant.revoked",
        "glass.broken",
        "grant.revoked",
    ]
    first, last = hook.told[0]["data"], hook.told[-1]["data"]
    assert (first["request"], first["staff"], first["by"]) == (request, "kim", "kim")
    assert (first["datasets"], first["purpose"]) == (["drafts"], "engineering")
    assert last["request"] == glass
    for path, headers, body in hook.taken:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
        assert path == "/hook"
        assert not any(word in body for word in (WORDS.encode(), b"T-1", b"domicile_c-"))
    assert len(hook.taken) == len(hook.told)  # each once, as nothing failed


def test_a_hook_that_is_away_undoes_nothing_and_is_told_later(told: Precinct, hook: Hook) -> None:
    hook.code = 500
    done = told.run(*ASKED, *told.showing("kim"))
    warned = " ".join(done.stderr.split())
    assert "warning: 1 notices to approvers were not sent: the webhook answered 500" in warned
    assert len(hook.taken) == 3
    assert told.json("access", "list")[0]["status"] == "open"
    hook.code = 204
    told.run("access", "list")
    assert len(hook.taken) == 3  # not before its time
    _forget_waiting(told)
    told.run("access", "list")
    assert [one["type"] for one in hook.told] == ["request.made"]
    assert len({headers["webhook-id"] for _, headers, _ in hook.taken}) == 1
    told.run("access", "list")
    assert len(hook.taken) == 4  # taken, so not told again


def test_what_a_killed_process_left_untold_is_told_by_the_next(told: Precinct, hook: Hook) -> None:
    words = [*ASKED, *told.showing("kim"), "--charter", str(told.charter)]
    process = subprocess.Popen([sys.executable, "-m", "domicile", *words])
    hook.meanwhile = lambda: os.kill(process.pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    hook.meanwhile = lambda: None
    hook.taken.clear()  # it came, but nobody heard that it was taken
    told.run("access", "list")
    assert [one["type"] for one in hook.told] == ["request.made"]


def test_only_what_the_signed_charter_names_is_told_anything(told: Precinct, hook: Hook) -> None:
    elsewhere = hook.url.replace("/hook", "/elsewhere")
    told.charter.write_text(told.charter.read_text().replace(hook.url, elsewhere))
    token = told.directory / "nobody.token"
    said = told.refused(*ASKED, "--token-file", str(token))
    assert "0 of the 2 custodians who must sign it did" in said
    assert hook.taken == []


def _forget_waiting(precinct: Precinct) -> None:
    state = State.beside(precinct.directory / ".domicile")
    with state.begin() as connection:
        connection.execute(NOTIFIED.update().values(next_at=""))
    state.close()


def notice(*datasets: str) -> Notice:
    """A notice of a request for these."""
    standing = office()
    body = asked_for(1, "kim", 1, 100, datasets=datasets or ("videos",))
    assert took(standing, (1, body)) == [None]
    (found,) = notices_of("a-log", 7, at(1), body, standing)
    return found


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(hook: Hook, code: int) -> None:
    hook.code = code
    to = Notices(url=hook.url, secret_env="S")
    with pytest.raises(NotSent, match="redirect, which is not followed"):
        deliver(notice(), to, Path(), {"S": SECRET})
    assert [path for path, *_ in hook.taken] == ["/hook"]


@pytest.mark.parametrize("secret", ["", "x", "whsec_", "whsec_c2hvcnQ=", "whsec_***", SECRET[6:]])
def test_nothing_is_sent_without_a_sound_secret(hook: Hook, secret: str) -> None:
    with pytest.raises(NotSent, match="secret") as caught:
        deliver(notice(), Notices(url=hook.url, secret_env="S"), Path(), {"S": secret})
    assert len(secret) < 3 or secret[6:] not in str(caught.value) or secret == "whsec_"
    assert hook.taken == []


def test_a_server_that_can_not_be_reached_is_named_by_nothing_it_said() -> None:
    with pytest.raises(NotSent, match="refused"):
        deliver(
            notice(), Notices(url="http://127.0.0.1:1/h", secret_env="S"), Path(), {"S": SECRET}
        )


def test_a_name_that_no_resolver_takes_is_told_like_any_other_failure() -> None:
    to = Notices(url=f"https://{'a' * 70}.example/hook", secret_env="S")
    with pytest.raises(NotSent):
        deliver(notice(), to, Path(), {"S": SECRET})


def test_names_can_not_make_headers_or_lines() -> None:
    hostile = ("a\u202eb", "x\u2028Bcc:eve@example.org", "Subject:\u0085spam", "é" * 50)
    mail = Mail(server="localhost", sender="a@b.example", to=("c@d.example",))
    message = mail_of(notice(*hostile), mail)
    headers = {name for name, _ in message.items()}
    assert headers <= {
        "From",
        "To",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    }
    text = message.get_content()
    assert text.isascii()
    assert [line for line in text.splitlines() if line.startswith("datasets: ")] == [
        "datasets: a\\u202eb, x\\u2028Bcc:eve@example.org, Subject:\\x85spam, " + "\\xe9" * 50
    ]


def test_only_entries_that_count_are_told_and_whoever_ends_ends_all() -> None:
    standing = office()
    entries = [
        (1, asked_for(1, "kim", 1, 200)),
        (2, answered(1, "ann")),
        (3, answered(1, "bo")),
    ]
    assert took(standing, *entries) == [None] * 3
    found = [n.event for m, b in entries for n in notices_of("l", m, at(m), b, standing)]
    assert found == ["request.made", "request.answered", "request.answered", "grant.begun"]
    assert list(endings("l", standing, at(139))) == []
    (ending,) = endings("l", standing, at(140))
    assert (ending.event, ending.request, ending.until) == ("grant.ending", name("r", 1), at(200))
    assert list(endings("l", standing, at(200))) == []
    assert took(standing, (150, changed(1, "kim"))) == [None]
    assert list(endings("l", standing, at(151))) == []
    ended = hired(person("kim", "company", "boss", status="ended"))
    assert took(standing, (160, ended)) == [None]
    assert list(notices_of("l", 9, at(160), ended, standing)) == []  # it was revoked before
