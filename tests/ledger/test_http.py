"""A log behind a web server: an honest one, and one that does what it likes."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from domicile.errors import EvidenceError, SiteRefused, SiteUnreachable, UsageError
from domicile.ledger import HttpSource, published_keys, verify_log
from tests.ledger.world import SIGNER, check, fill, texts

Answer = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("served") / "ledger"
    fill(directory, texts("a", 600))
    return directory


@pytest.fixture
def served(log: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A copy of the log, behind the web server that Python brings."""
    directory = Path(shutil.copytree(log, tmp_path / "www" / "ledger"))
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--directory", directory.parent],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().split(" port ")[1].split()[0]
        yield directory, f"http://127.0.0.1:{port}/ledger"
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@contextmanager
def hostile(answer: Answer) -> Iterator[str]:
    """A server that answers each connection as it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65_536)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/ledger"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def quick(url: str) -> HttpSource:
    return HttpSource(url, timeout_s=0.3, file_s=1.0)


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_served_log_is_as_sound_as_its_directory(served: tuple[Path, str], ending: str) -> None:
    directory, url = served
    source = HttpSource(url + ending)
    found = verify_log(source, published_keys(source), None, workers=2)
    assert found.sound
    assert found.root == check(directory).root


def test_what_is_wrong_in_a_served_log_is_found(served: tuple[Path, str]) -> None:
    directory, url = served
    (directory / "tile/entries/001").unlink()
    (directory / "tile/0/002.p/88").write_bytes(b"short")
    shutil.rmtree(directory / ".log")
    found = verify_log(HttpSource(url), [SIGNER.vkey], None)
    assert found.problems == verify_log(directory, [SIGNER.vkey], None).problems
    assert "tile/entries/001: tile/entries/001 is missing" in found.problems


def test_a_served_log_without_its_tiles_ends_with_a_finding(served: tuple[Path, str]) -> None:
    directory, url = served
    shutil.rmtree(directory / "tile")
    assert (
        "entries 0 to 599 are missing" in verify_log(HttpSource(url), [SIGNER.vkey], None).problems
    )


def test_one_connection_serves_many_files(log: Path) -> None:
    connections = set()

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.add(self.client_address)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(log.parent))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        source = HttpSource(f"http://127.0.0.1:{server.server_address[1]}/ledger")
        for _ in range(5):
            assert source.read("tile/0/000", 8192) == (log / "tile/0/000").read_bytes()
            assert source.read("tile/0/001", 8192) == (log / "tile/0/001").read_bytes()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(connections) == 1


def endless_body(connection: socket.socket) -> None:
    connection.sendall(OK + b"\r\n")
    while True:
        connection.sendall(bytes(1 << 16))


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def longer_than_a_tile(connection: socket.socket) -> None:
    connection.sendall(OK + b"Content-Length: 9000\r\n\r\n" + bytes(9000))


@pytest.mark.parametrize("answer", [endless_body, endless_chunks, longer_than_a_tile])
def test_no_more_is_read_than_a_file_may_have(answer: Answer) -> None:
    with hostile(answer) as url, pytest.raises(EvidenceError, match="more than 8,192 bytes"):
        quick(url).read("tile/0/000", 8192)


def broken_off(connection: socket.socket) -> None:
    connection.sendall(OK + b"Content-Length: 1000\r\n\r\n" + bytes(10))


def broken_chunk(connection: socket.socket) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nxx")


def silence(connection: socket.socket) -> None:
    connection.recv(1)


def dripping_body(connection: socket.socket) -> None:
    connection.sendall(OK + b"Content-Length: 8192\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def dripping_headers(connection: socket.socket) -> None:
    connection.sendall(OK + b"X-Long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(OK)
    while True:
        connection.sendall(b"X-More: x\r\n")


def garbage(connection: socket.socket) -> None:
    connection.sendall(os.urandom(4096))


def nothing(_: socket.socket) -> None:
    """Close at once."""


def overloaded(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        broken_off,
        broken_chunk,
        silence,
        dripping_body,
        dripping_headers,
        endless_headers,
        garbage,
        nothing,
        overloaded,
    ],
)
def test_a_server_that_never_gives_a_whole_answer_is_unreachable(answer: Answer) -> None:
    begun = time.monotonic()
    with hostile(answer) as url, pytest.raises(SiteUnreachable, match="tile/0/000"):
        quick(url).read("tile/0/000", 8192)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    asked = []

    def elsewhere(_: socket.socket) -> None:
        asked.append(1)

    with hostile(elsewhere) as other:

        def redirect(connection: socket.socket) -> None:
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())

        with hostile(redirect) as url, pytest.raises(SiteRefused, match="redirect"):
            quick(url).read("checkpoint", 100)
    assert asked == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_a_server_does_not_have_is_absent(status: int) -> None:
    def absent(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 3\r\n\r\nno\n" % status)

    with hostile(absent) as url:
        assert quick(url).read("checkpoint", 100) is None


def test_a_server_that_fails_once_is_asked_again() -> None:
    asked = []

    def second_time(connection: socket.socket) -> None:
        asked.append(1)
        if len(asked) > 1:
            connection.sendall(OK + b"Content-Length: 2\r\n\r\nab")

    with hostile(second_time) as url:
        assert quick(url).read("checkpoint", 100) == b"ab"
    assert len(asked) == 2


def test_what_a_server_calls_gzip_is_bytes_like_any_other() -> None:
    def zipped(connection: socket.socket) -> None:
        head = b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
        connection.sendall(OK + head + b"abc")

    with hostile(zipped) as url:
        assert quick(url).read("checkpoint", 100) == b"abc"


def test_no_word_of_a_hostile_server_reaches_the_message() -> None:
    def shouting(connection: socket.socket) -> None:
        connection.sendall(b"\x1b[2J everything is well \r\n\r\n")

    with hostile(shouting) as url, pytest.raises(SiteUnreachable) as raised:
        quick(url).read("checkpoint", 100)
    assert "well" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/ledger",
        "http:///ledger",
        "http://user:secret@example.com/ledger",
        "http://example.com/ledger?x=1",
        "http://example.com/ledger#x",
        "http://example.com:port/ledger",
        "http://example.com/led ger",
        "http://example.com/led\r\nger",
        "http://[::1/ledger",
    ],
)
def test_a_url_that_can_be_no_logs_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        HttpSource(url)
