"""The log's side: asking witnesses, and what is published while they are away."""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domicile.errors import EvidenceError, SiteUnreachable, UsageError
from domicile.ledger import FileSigner
from domicile.ledger.asking import Contact, KnownWitness, cosignature_lines
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.cosigning import NotCosigned, Unwitnessed
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44, Verifier
from domicile.ledger.note import Signature, cosigners, open_checkpoint, parse_note
from domicile.ledger.proofs import Prover
from domicile.ledger.signing import sign_note
from domicile.ledger.store import Store
from domicile.ledger.witness import Witness
from domicile.ledger.witnesses import Quorum, Witnesses
from tests.ledger.asking_world import CLOSED, NAMES, World, open_log, published, witnessed
from tests.ledger.test_witness import certificate
from tests.ledger.witness_world import LOGS, head, history, running, verifiers
from tests.ledger.world import ORIGIN, check, texts


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "witnesses")
    yield world
    world.stop()


# Witnesses that answer.


def test_every_checkpoint_is_cosigned_by_all(world: World, tmp_path: Path) -> None:
    world.start(*NAMES)
    asking = world.asking(3, *NAMES)
    with open_log(tmp_path / "log", asking) as log:
        for number in range(5):
            log.append(texts(f"{number}", number + 1))
            assert witnessed(world, tmp_path / "log") == set(NAMES)
            assert open_checkpoint(published(tmp_path / "log"), LOGS[ORIGIN]).size == log.size
    assert asking.notices == ()
    assert check(tmp_path / "log").sound


def test_a_log_reopened_asks_from_where_the_witness_is(world: World, tmp_path: Path) -> None:
    world.start(*NAMES[:1])
    for number in range(4):  # each one begins without knowing what the witness knows
        with open_log(tmp_path / "log", world.asking(1, NAMES[0])) as log:
            log.append(texts(f"{number}", 300))
    assert witnessed(world, tmp_path / "log") == {NAMES[0]}
    assert open_checkpoint(published(tmp_path / "log"), LOGS[ORIGIN]).size == 1200


def test_witnesses_of_different_pasts_are_each_asked_from_theirs(
    world: World, tmp_path: Path
) -> None:
    world.start(*NAMES[:2])
    with open_log(tmp_path / "log", world.asking(1, NAMES[0])) as log:
        log.append(texts("a", 5))
    with open_log(tmp_path / "log", world.asking(1, NAMES[1])) as log:
        log.append(texts("b", 5))
    with open_log(tmp_path / "log", world.asking(2, *NAMES[:2])) as log:
        log.append(texts("c", 5))
    assert witnessed(world, tmp_path / "log") == set(NAMES[:2])


def test_a_witness_that_restarted_is_asked_on_a_new_connection(
    world: World, tmp_path: Path
) -> None:
    world.start(NAMES[0])
    url = world.urls[NAMES[0]]
    asking = Witnesses(Quorum((world.known(NAMES[0]),), 1), timeout_s=5)
    with open_log(tmp_path / "log", asking) as log:
        log.append(texts("a", 2))
        world.stop()
        world.start(NAMES[0], port=int(url.rpartition(":")[2]))
        assert world.urls[NAMES[0]] == url
        log.append(texts("b", 2))
    asking.close()
    assert witnessed(world, tmp_path / "log") == {NAMES[0]}


def test_https_is_verified(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    witness = Witness.open(world.directory / "w1", NAMES[0], LOGS)
    world.stack.callback(witness.close)
    url = world.stack.enter_context(running(witness, tls=context))
    url = url.replace("127.0.0.1", "localhost")
    with (
        open_log(tmp_path / "log", world.asking(1, NAMES[0], w1=url)) as log,
        pytest.raises(NotCosigned, match="w1: no TLS connection"),
    ):
        log.append(texts("a", 1))
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    with open_log(tmp_path / "trusting", world.asking(1, NAMES[0], w1=url)) as log:
        log.append(texts("a", 1))
    assert witnessed(world, tmp_path / "trusting") == {NAMES[0]}


# Witnesses that do not do their part.


@contextmanager
def answering(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A server of one's own making: it reads a request and hands over connection and body."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            while b"\r\n\r\n" not in received:
                received += self.request.recv(65_536)
            top, _, body = received.partition(b"\r\n\r\n")
            length = int(top.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            while len(body) < length:
                body += self.request.recv(65_536)
            answer(self.request, body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def hangs(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)  # until the other side gives up


def drips(connection: socket.socket, _body: bytes) -> None:
    """A byte often enough for a read's own time limit never to come."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    try:
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.05)
    except OSError:
        return


def floods(connection: socket.socket, _body: bytes) -> None:
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(2_000):
            connection.sendall(b"x" * 65_536)
    except OSError:
        return


def says(data: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(data)


SIZE = "Content-Type: text/x.tlog.size"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (hangs, "no answer in time"),
        (drips, "no answer in time"),
        (floods, "no proper HTTP answer"),
        (says(b""), "no connection"),
        (says(b"\x00" * 99), "no proper HTTP answer"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), "no proper HTTP answer"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), "no proper HTTP answer"),
        (says(reply("500 Oh")), "it answered 500"),
        (says(reply("403 No")), "it answered 403: it has other keys of this log"),
        (says(reply("404 No")), "it answered 404: it does not know this log"),
        (says(reply("302 Found", b"", "Location: http://127.0.0.1:9/")), "it answered 302"),
        (says(reply("409 Conflict", b"0\n")), "it answered 409 without a size"),
        (says(reply("409 Conflict", b"00\n", SIZE)), "it answered 409 without a size"),
        (says(reply("409 Conflict", b"-1\n", SIZE)), "it answered 409 without a size"),
        (
            says(reply("409 Conflict", b"0\n", SIZE)),
            "it has co-signed another checkpoint each time",
        ),
    ],
)
def test_a_witness_that_fails_costs_a_bounded_time_and_is_named(
    world: World, tmp_path: Path, answer: Callable[[socket.socket, bytes], None], why: str
) -> None:
    with answering(answer) as url:
        asking = world.asking(1, NAMES[0], w1=url)
        with open_log(tmp_path / "log", asking) as log:
            began = time.monotonic()
            with pytest.raises(NotCosigned, match="0 of the 1 witnesses") as refused:
                log.append(texts("a", 1))
            assert time.monotonic() - began < 10
    assert f"w1: {why}" in refused.value.failed
    assert not (tmp_path / "log" / "checkpoint").exists()
    assert asking.notices == ()


def test_a_witness_that_drips_is_cut_off(tmp_path: Path) -> None:
    """Not only left alone: it could be asked nothing else meanwhile."""
    with open_log(tmp_path, Unwitnessed()) as log:
        log.append(texts("a", 2))
    note, prover = parse_note(published(tmp_path)), Prover(Store(tmp_path), 2)
    with answering(drips) as url:
        contact = Contact(KnownWitness("w1", url, verifiers(ONE)), 0.5)
        began = time.monotonic()
        with pytest.raises(SiteUnreachable, match="no answer in time"):
            contact.ask(note, prover)
        assert time.monotonic() - began < 15  # it would drip for 30


def cosigning(
    tree: Callable[[Checkpoint], Checkpoint], *signers: FileSigner, more: bytes = b""
) -> Callable[[socket.socket, bytes], None]:
    """A witness that signs whatever ``tree`` makes of what it is shown."""

    def answer(connection: socket.socket, body: bytes) -> None:
        shown = Checkpoint.parse(parse_note(body.partition(b"\n\n")[2]).text)
        lines = sign_note(tree(shown).text, signers, 1_800_000_000).signatures
        connection.sendall(reply("200 OK", more + "".join(s.line for s in lines).encode()))

    return answer


def other_tree(shown: Checkpoint) -> Checkpoint:
    return Checkpoint(shown.origin, shown.size, bytes(32))


def same_tree(shown: Checkpoint) -> Checkpoint:
    return shown


ONE = FileSigner(NAMES[0], bytes(32), COSIGN_ED25519)
TWO = FileSigner(NAMES[0], bytes(32), COSIGN_MLDSA44)
STRANGER = FileSigner("someone.example", bytes(32), COSIGN_ED25519)


def test_lines_of_strangers_are_left_out(tmp_path: Path) -> None:
    with answering(cosigning(same_tree, STRANGER, ONE, STRANGER, TWO)) as url:
        known = KnownWitness("w1", url, verifiers(ONE, TWO))
        asking = Witnesses(Quorum((known,), 1))
        with open_log(tmp_path, asking) as log:
            log.append(texts("a", 3))
    names = [line.name for line in parse_note(published(tmp_path)).signatures]
    assert names == [ORIGIN, ORIGIN, NAMES[0], NAMES[0]]
    assert cosigners(published(tmp_path), known.keys) == {NAMES[0]}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (cosigning(other_tree, ONE, TWO), "the signature of witness.example/w1 is wrong"),
        (cosigning(same_tree, ONE), "not every key of the witness signed"),
        (cosigning(same_tree, STRANGER), "no key that you trust signed"),
        (cosigning(same_tree, ONE, TWO, more=b"more\n\n"), "signature of .* is wrong"),
        (cosigning(same_tree, ONE, TWO, more=b"more\n"), "line of the note is malformed"),
        (says(reply("200 OK")), "malformed"),
        (says(reply("200 OK", b"\xff\n")), "not UTF-8"),
        (says(reply("200 OK", b"x" * 131_072)), "malformed"),
        (says(reply("422 No")), "does not follow the one it co-signed"),
        (says(reply("409 Conflict", b"77\n", SIZE)), "the log was rolled back, or another one"),
    ],
)
def test_what_a_witness_does_wrong_or_says_against_the_log_is_kept_as_a_notice(
    tmp_path: Path, answer: Callable[[socket.socket, bytes], None], why: str
) -> None:
    with answering(answer) as url:
        known = KnownWitness("w1", url, verifiers(ONE, TWO))
        asking = Witnesses(Quorum((known,), 1, "publish"), timeout_s=2)
        with open_log(tmp_path, asking) as log:
            log.append(texts("a", 3))
    assert {line.name for line in parse_note(published(tmp_path)).signatures} == {ORIGIN}
    notices = " ".join(asking.notices)
    assert re.search(why, notices)
    assert "published though only 0 of the 1 witnesses" in notices


def test_a_cosignature_of_other_text_is_not_carried_over() -> None:
    """The witness's own key made it, over what the answer would turn the note into."""
    note = parse_note(head(history("", 3)))
    key, time_s = Verifier.parse(ONE.vkey), 1_800_000_000
    message = f"cosignature/v1\ntime {time_s}\n{note.text}\nmore\n".encode()
    line = Signature(ONE.name, key.key_id, time_s.to_bytes(8, "big") + ONE.sign(message)).line
    with pytest.raises(EvidenceError):
        cosignature_lines(note, b"more\n\n" + line.encode(), [key])
    right = sign_note(note.text, [ONE], time_s).signatures
    assert cosignature_lines(note, right[0].line.encode(), [key]) == right


def test_enough_others_answer_and_one_hangs(world: World, tmp_path: Path) -> None:
    """It slows one checkpoint by a moment, and then it is left in peace."""
    world.start(*NAMES[:2])
    asked: list[float] = []

    def hanging(connection: socket.socket, body: bytes) -> None:
        asked.append(time.monotonic())
        hangs(connection, body)

    with answering(hanging) as url:
        known = (*map(world.known, NAMES[:2]), world.known(NAMES[2], url))
        asking = Witnesses(Quorum(known, 2), timeout_s=60)
        began = time.monotonic()
        with open_log(tmp_path / "log", asking) as log:
            for number in range(8):
                log.append(texts(f"{number}", 1))
                assert witnessed(world, tmp_path / "log") == set(NAMES[:2])
            assert len(asked) == 1  # it is still being asked
        assert time.monotonic() - began < 30
    assert asking.notices == ()
    asking.close()


def test_a_witness_that_is_back_is_asked_again(world: World, tmp_path: Path) -> None:
    world.start(NAMES[0], NAMES[1])
    now = [0.0]
    known = tuple(world.known(name) for name in NAMES[:2])
    dead = KnownWitness("w2", CLOSED, known[1].keys)
    asking = Witnesses(Quorum((known[0], dead), 1), clock=lambda: now[0])
    with open_log(tmp_path / "log", asking) as log:
        log.append(texts("a", 1))
        asking._asked[1]._contact._port = int(known[1].url.rpartition(":")[2])  # it comes back
        log.append(texts("b", 1))
        assert witnessed(world, tmp_path / "log") == {NAMES[0]}
        now[0] = 5.0
        log.append(texts("c", 1))
        assert witnessed(world, tmp_path / "log") == set(NAMES[:2])
    asking.close()


@pytest.mark.parametrize("url", ["ftp://a/", "file:///etc/passwd", "witness.example", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="address of the witness w1"):
        Witnesses(Quorum((KnownWitness("w1", url, verifiers(ONE)),), 1))


def test_more_cosignatures_than_witnesses_are_refused() -> None:
    with pytest.raises(UsageError, match="1 of 0 witnesses"):
        Witnesses(Quorum((), 1))
