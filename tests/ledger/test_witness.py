"""A witness over HTTP on this machine: every status, hostile clients, and what it remembers."""

from __future__ import annotations

import errno
import random
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from domicile.errors import EvidenceError, UsageError
from domicile.ledger import FileSigner
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44, Verifier
from domicile.ledger.merkle import consistency_proof, root_of, verify_consistency
from domicile.ledger.note import Note, cosigners, open_checkpoint, parse_note
from domicile.ledger.witness import Witness, watched_logs
from domicile.ledger.witness.memory import origin_hash
from domicile.ledger.witness.server import Limits
from tests.ledger.power import RememberingDisk
from tests.ledger.witness_world import (
    LASTING,
    LOGS,
    NOW_S,
    WITNESS,
    Clock,
    Reply,
    growth,
    head,
    history,
    open_witness,
    request,
    running,
    send,
    submit,
    timestamps,
    with_lines,
)
from tests.ledger.world import ORIGIN, SIGNER, FaultyDisk

CHECKPOINT = f"/{origin_hash(ORIGIN)}/checkpoint"
PLAIN = "text/plain; charset=utf-8"


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    opened = open_witness(tmp_path / "witness")
    yield opened
    opened.close()


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    with running(witness) as url:
        yield url


def keys(witness: Witness) -> list[Verifier]:
    return [Verifier.parse(vkey) for vkey in witness.vkeys]


def test_a_first_checkpoint_is_cosigned_with_both_keys(witness: Witness, url: str) -> None:
    leaves = history("", 5)
    reply = submit(url, growth(leaves, 0))
    assert (reply.status, reply.content_type) == (200, PLAIN)
    lines = parse_note(with_lines(leaves, reply.body)).signatures[2:]
    assert [line.name for line in lines] == [WITNESS, WITNESS]
    assert [len(line.signature) for line in lines] == [8 + 64, 8 + 2420]
    assert {key.algorithm for key in keys(witness)} == {COSIGN_ED25519, COSIGN_MLDSA44}
    assert cosigners(with_lines(leaves, reply.body), keys(witness)) == {WITNESS}
    assert timestamps(with_lines(leaves, reply.body)) == [NOW_S, NOW_S]


def test_a_log_grows_step_by_step(witness: Witness, url: str) -> None:
    leaves = history("", 40)
    for old, new in ((0, 1), (1, 2), (2, 2), (2, 7), (7, 8), (8, 33), (33, 40)):
        reply = submit(url, growth(leaves[:new], old))
        assert reply.status == 200, (old, new)
        assert cosigners(with_lines(leaves[:new], reply.body), keys(witness)) == {WITNESS}


def test_the_empty_tree_is_cosigned_and_then_grows(url: str) -> None:
    assert submit(url, growth([], 0)).status == 200
    assert submit(url, growth([], 0)).status == 200
    assert submit(url, growth(history("", 3), 0)).status == 200


def test_400_for_what_is_no_request_and_for_an_old_size_beyond_the_new(url: str) -> None:
    assert submit(url, b"").status == 400
    assert submit(url, b"old 0\n" + head(history("", 2))).status == 400
    assert submit(url, request(3, [], head(history("", 2)))).status == 400


def test_403_without_a_good_signature_of_a_trusted_key(url: str) -> None:
    leaves = history("", 2)
    stranger = FileSigner(ORIGIN, bytes(32))
    assert submit(url, request(0, [], head(leaves, [stranger]))).status == 403
    one, other = parse_note(head(leaves)), parse_note(head(history("", 3)))
    forged = Note(one.text, (one.signatures[0], other.signatures[1]))
    assert submit(url, request(0, [], forged.encode())).status == 403


def test_one_trusted_key_is_enough(url: str) -> None:
    assert submit(url, request(0, [], head(history("", 2), [LASTING]))).status == 200


def test_404_for_a_log_it_does_not_know(url: str) -> None:
    other = FileSigner("example.com/other", bytes(32))
    note = head(history("", 2), [other], other.name)
    assert submit(url, request(0, [], note)).status == 404


def test_409_tells_the_size_in_its_own_content_type(url: str) -> None:
    assert submit(url, growth(history("", 5), 3)) == Reply(409, "text/x.tlog.size", b"0\n")
    assert submit(url, growth(history("", 5), 0)).status == 200
    assert submit(url, growth(history("", 7), 0)) == Reply(409, "text/x.tlog.size", b"5\n")
    assert submit(url, growth(history("", 7), 4)) == Reply(409, "text/x.tlog.size", b"5\n")


def test_422_for_trees_that_do_not_follow(url: str) -> None:
    leaves = history("", 7)
    assert submit(url, request(0, [bytes(32)], head(leaves))).status == 422
    assert submit(url, growth(leaves[:5], 0)).status == 200
    assert submit(url, request(5, [], head(leaves))).status == 422
    assert submit(url, request(5, [bytes(32)], head(leaves[:5]))).status == 422
    assert submit(url, growth(leaves, 5)).status == 200


def test_a_rollback_is_refused_whatever_the_old_size_says(url: str) -> None:
    leaves = history("", 9)
    assert submit(url, growth(leaves, 0)).status == 200
    assert submit(url, growth(leaves[:4], 0)) == Reply(409, "text/x.tlog.size", b"9\n")
    assert submit(url, growth(leaves[:4], 4)).status == 409
    assert submit(url, request(9, [], head(leaves[:4]))).status == 400


def test_a_second_history_is_refused_and_the_first_goes_on(
    witness: Witness, url: str, tmp_path: Path
) -> None:
    one, two = history("a", 12, common=3), history("b", 12, common=3)
    assert submit(url, growth(one[:6], 0)).status == 200
    assert submit(url, growth(two, 0)).status == 409
    assert submit(url, growth(two, 6)).status == 422
    assert submit(url, growth(two[:6], 6)).status == 422
    assert submit(url, growth(one, 6)).status == 200
    # What proves it is kept: the log's own signature under another root of the same size.
    (kept,) = (tmp_path / "witness" / "logs" / origin_hash(ORIGIN)).glob("split-*")
    assert open_checkpoint(kept.read_bytes(), LOGS[ORIGIN]).root == root_of(two[:6])
    assert send(url, CHECKPOINT).body.startswith(f"{ORIGIN}\n12\n".encode())
    assert witness.checkpoint("0" * 64).status == 404


def test_only_the_first_splits_are_kept(url: str, tmp_path: Path) -> None:
    assert submit(url, growth(history("", 6), 0)).status == 200
    for number in range(20):
        assert submit(url, growth(history(f"{number}-", 6), 6)).status == 422
    directory = tmp_path / "witness" / "logs" / origin_hash(ORIGIN)
    assert len(list(directory.glob("split-*"))) == 16


def test_the_monitoring_interface_shows_what_was_answered(witness: Witness, url: str) -> None:
    assert send(url, CHECKPOINT).status == 404
    leaves = history("", 5)
    stray = FileSigner("someone.example", bytes(32), COSIGN_ED25519)
    answered = submit(url, request(0, [], head(leaves, [SIGNER, LASTING, stray])))
    shown = send(url, CHECKPOINT)
    assert (shown.status, shown.content_type) == (200, PLAIN)
    assert shown.body.endswith(answered.body)
    assert open_checkpoint(shown.body, LOGS[ORIGIN]) == Checkpoint(ORIGIN, 5, root_of(leaves))
    assert cosigners(shown.body, keys(witness)) == {WITNESS}
    assert b"someone.example" not in shown.body


def test_other_methods_and_paths_are_not_there(url: str) -> None:
    assert send(url, "/add-checkpoint").status == 405
    assert send(url, CHECKPOINT, b"", "PUT").status == 405
    for path in ("/", "/checkpoint", f"/{'0' * 63}/checkpoint", f"/{'A' * 64}/checkpoint"):
        assert send(url, path).status == 404
    assert send(url, f"/{'0' * 64}/checkpoint").status == 404


def test_a_body_that_is_too_large_is_refused(url: str) -> None:
    assert submit(url, b"x" * 131_073).status == 413
    assert submit(url, growth(history("", 2), 0)).status == 200


def test_what_it_cosigned_is_remembered_across_a_restart(tmp_path: Path) -> None:
    leaves = history("", 9)
    first = open_witness(tmp_path)
    with running(first) as url:
        assert submit(url, growth(leaves[:5], 0)).status == 200
        shown = send(url, CHECKPOINT).body
    first.close()
    second = open_witness(tmp_path)
    assert second.vkeys == first.vkeys
    with running(second) as url:
        assert send(url, CHECKPOINT).body == shown
        assert submit(url, growth(leaves, 0)) == Reply(409, "text/x.tlog.size", b"5\n")
        assert submit(url, growth(leaves, 5)).status == 200
    second.close()


def test_a_clock_that_goes_back_makes_no_older_cosignature(tmp_path: Path) -> None:
    leaves, clock = history("", 9), Clock()
    said = []
    for number, now_s in enumerate((NOW_S, NOW_S - 500, NOW_S + 7, -1, 0, NOW_S + 8), 1):
        clock.now_s = now_s
        witness = open_witness(tmp_path, clock)  # a new process each time
        answer = witness.add_checkpoint(growth(leaves[:number], number - 1))
        assert answer.status == 200
        said.append(timestamps(with_lines(leaves[:number], answer.body.encode())))
        witness.close()
    assert said == [[NOW_S + more] * 2 for more in (0, 0, 7, 7, 7, 8)]


def test_a_clock_before_the_epoch_makes_no_cosignature_without_a_time(tmp_path: Path) -> None:
    witness = open_witness(tmp_path, Clock(0))
    answer = witness.add_checkpoint(growth(history("", 1), 0))
    assert timestamps(with_lines(history("", 1), answer.body.encode())) == [1, 1]
    witness.close()


def test_of_concurrent_submissions_none_takes_another_back(witness: Witness, url: str) -> None:
    """Many heads of one log against each other: what is remembered only ever grows, and every
    cosignature is of the one line of trees."""
    leaves, chance = history("", 60), random.Random(3)  # noqa: S311 - seeded
    sizes = [chance.randrange(1, 61) for _ in range(120)]
    remembered: list[int] = []

    def one(size: int) -> tuple[int, int]:
        old = 0
        for _ in range(50):
            reply = submit(url, growth(leaves[:size], min(old, size)))
            shown = send(url, CHECKPOINT).body
            remembered.append(int(shown.split(b"\n")[1]) if shown.startswith(b"example") else 0)
            if reply.status != 409:
                return size, reply.status
            old = int(reply.body)
            if old > size:
                return size, 409
        return size, 0

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, sizes))
    assert {status for _, status in results} <= {200, 409}
    cosigned = [size for size, status in results if status == 200]
    assert max(sizes) in cosigned
    assert remembered[-1] == max(sizes)
    last = Checkpoint.parse(parse_note(send(url, CHECKPOINT).body).text)
    assert last.root == root_of(leaves[: last.size])
    assert witness.add_checkpoint(growth(leaves[:1], 0)).body == f"{max(sizes)}\n"


def test_of_two_histories_that_race_exactly_one_is_cosigned(tmp_path: Path) -> None:
    for number in range(10):
        witness = open_witness(tmp_path / f"{number}")
        heads = [growth(history(name, 5 + number), 0) for name in "abcd"]
        with ThreadPoolExecutor(4) as pool:
            statuses = [answer.status for answer in pool.map(witness.add_checkpoint, heads)]
        assert sorted(statuses) == [200, 409, 409, 409]
        witness.close()


def test_two_logs_do_not_mix(tmp_path: Path) -> None:
    other = FileSigner("example.com/other", bytes(32))
    logs = {**LOGS, other.name: (Verifier.parse(other.vkey),)}
    witness = Witness.open(tmp_path, WITNESS, logs, clock=Clock())
    note = head(history("", 3), [other], other.name)
    assert witness.add_checkpoint(request(0, [], note)).status == 200
    assert witness.add_checkpoint(growth(history("", 7), 0)).status == 200
    crossed = head(history("", 7), [SIGNER], other.name)  # signed by the other log's key
    assert witness.add_checkpoint(request(3, [], crossed)).status == 403
    witness.close()


# Hostile clients.


def raw(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def test_slow_clients_are_cut_off_and_hold_up_nobody(witness: Witness) -> None:
    with running(witness, Limits(body_s=0.3, idle_s=0.3)) as url:
        silent, headless, bodyless = raw(url), raw(url), raw(url)
        headless.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nX: ")
        bodyless.sendall(
            b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n\r\nold"
        )
        assert submit(url, growth(history("", 2), 0)).status == 200
        assert bodyless.recv(1000).startswith(b"HTTP/1.1 408 ")
        for connection in (silent, headless):
            assert connection.recv(1000) == b""
        for connection in (silent, headless, bodyless):
            connection.close()


def test_connections_beyond_the_limit_are_closed_and_later_ones_served(witness: Witness) -> None:
    with running(witness, Limits(connections=3)) as url:
        held = [raw(url) for _ in range(3)]
        for connection in held:  # the server has taken them on
            connection.sendall(b"GET /none HTTP/1.1\r\nHost: w\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 404 ")
        with raw(url) as fourth:
            assert fourth.recv(1000) == b""
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 20
        while True:
            try:
                assert submit(url, growth(history("", 2), 0)).status == 200
                break
            except ConnectionError:
                assert time.monotonic() < deadline


def test_garbage_on_the_connection_harms_nobody(url: str) -> None:
    for data in (b"\x16\x03\x01" * 50, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000, b"\r\n" * 99):
        with raw(url) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass
    assert submit(url, growth(history("", 2), 0)).status == 200


def test_a_compressed_body_is_not_unpacked(url: str) -> None:
    body = growth(history("", 2), 0)
    with raw(url) as connection:
        connection.sendall(
            b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Encoding: gzip\r\n"
            + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            + body
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


# The disk.


@pytest.mark.parametrize("call", ["create", "write"])
def test_no_room_cosigns_nothing_and_it_goes_on(tmp_path: Path, call: str) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    witness = open_witness(tmp_path, disk=disk)
    disk.fail_next(call)
    refused = witness.add_checkpoint(growth(history("", 2), 0))
    assert (refused.status, refused.body) == (
        500,
        "the witness cannot remember it: No space left on device\n",
    )
    assert witness.checkpoint(origin_hash(ORIGIN)).status == 404
    assert witness.add_checkpoint(growth(history("", 2), 0)).status == 200
    witness.close()


def test_no_room_for_the_proof_of_a_split_changes_no_answer(tmp_path: Path) -> None:
    disk = FaultyDisk(code=errno.ENOSPC)
    witness = open_witness(tmp_path, disk=disk)
    assert witness.add_checkpoint(growth(history("a", 2), 0)).status == 200
    disk.fail_next("create")
    assert witness.add_checkpoint(growth(history("b", 2), 2)).status == 422
    disk.fail_next("sync")
    assert witness.add_checkpoint(growth(history("b", 2), 2)).status == 500
    assert witness.add_checkpoint(growth(history("a", 3), 2)).status == 503
    witness.close()


def test_after_a_failed_fsync_or_rename_nothing_is_cosigned_until_a_restart(tmp_path: Path) -> None:
    calls = 0
    for at in range(40):
        disk = FaultyDisk()
        directory = tmp_path / f"{at}"
        witness = open_witness(directory, disk=disk)
        assert witness.add_checkpoint(growth(history("", 2), 0)).status == 200
        disk.at = len(disk.calls) + at
        statuses = [witness.add_checkpoint(growth(history("", 3), 2)).status for _ in range(2)]
        witness.close()
        if statuses == [200, 200] or statuses[0] == 200:
            break
        calls += 1
        failed = disk.calls[disk.at]
        assert statuses == ([500, 503] if "sync" in failed or "rename" in failed else [500, 200])
        again = open_witness(directory)
        reply = again.add_checkpoint(growth(history("", 4), 0))
        assert reply.body in {"2\n", "3\n"}
        old = int(reply.body)
        assert again.add_checkpoint(growth(history("", 4), old)).status == 200
        again.close()
    assert calls >= 5  # remove, create, write, sync, rename, sync of the directory


def test_after_a_power_loss_nothing_that_was_answered_is_forgotten(tmp_path: Path) -> None:
    directory = tmp_path / "witness"
    directory.mkdir()
    disk = RememberingDisk(directory)
    witness = open_witness(directory, disk=disk)
    answered = [(0, 0)]
    leaves = history("", 30)
    for old, new in ((0, 3), (3, 3), (3, 10), (10, 30)):
        assert witness.add_checkpoint(growth(leaves[:new], old)).status == 200
        answered.append((len(disk.calls), new))
    witness.close()
    chance = random.Random(5)  # noqa: S311 - seeded
    for seed in range(120):
        calls = chance.randrange(len(disk.calls) + 1)
        left = tmp_path / f"{seed}"
        disk.after_power_loss(calls, seed, left)
        for name in ("ed25519.key", "mldsa44.key"):  # made before, through another disk
            shutil.copy(directory / name, left / name)
        again = open_witness(left)
        kept = int(again.add_checkpoint(growth(leaves[:30], 29)).body)
        assert kept >= max(size for at, size in answered if at <= calls), (seed, calls)
        assert again.add_checkpoint(growth(leaves, kept)).status == 200
        again.close()


# Whose directory it is.


def test_another_witnesss_keys_or_memory_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        witness = open_witness(tmp_path / name)
        assert witness.add_checkpoint(growth(history("", 2), 0)).status == 200
        witness.close()
    with pytest.raises(UsageError, match=r"not the key of witness\.example/w2"):
        open_witness(tmp_path / "one", name="witness.example/w2")
    shutil.rmtree(tmp_path / "one" / "logs")
    shutil.copytree(tmp_path / "two" / "logs", tmp_path / "one" / "logs")
    with pytest.raises(EvidenceError, match="not what this witness signed"):
        open_witness(tmp_path / "one")


def test_a_key_made_anew_does_not_go_with_the_old_memory(tmp_path: Path) -> None:
    open_and_cosign(tmp_path)
    (tmp_path / "mldsa44.key").unlink()
    with pytest.raises(EvidenceError, match="not what this witness signed"):
        open_witness(tmp_path)


def open_and_cosign(directory: Path) -> Path:
    witness = open_witness(directory)
    assert witness.add_checkpoint(growth(history("", 2), 0)).status == 200
    witness.close()
    return directory / "logs" / origin_hash(ORIGIN) / "checkpoint"


@pytest.mark.parametrize("change", ["empty", "cut", "size", "unsigned", "other log"])
def test_a_memory_that_was_changed_is_refused(tmp_path: Path, change: str) -> None:
    path = open_and_cosign(tmp_path)
    data = path.read_bytes()
    if change == "other log":
        path.parent.rename(path.parent.with_name(origin_hash("example.com/other")))
        logs = {"example.com/other": LOGS[ORIGIN]}
        with pytest.raises(EvidenceError, match="of another log"):
            Witness.open(tmp_path, WITNESS, logs)
        return
    changed = {
        "empty": b"",
        "cut": data[:-10],
        "size": data.replace(b"\n2\n", b"\n1\n"),
        "unsigned": head(history("", 2)),
    }
    path.write_bytes(changed[change])
    with pytest.raises(EvidenceError, match="not what this witness signed"):
        open_witness(tmp_path)


def test_one_process_has_the_witness(tmp_path: Path) -> None:
    witness = open_witness(tmp_path)
    with pytest.raises(UsageError, match="running already"):
        open_witness(tmp_path)
    witness.close()
    open_witness(tmp_path).close()


def test_a_stopped_witness_cosigns_nothing(tmp_path: Path) -> None:
    witness = open_witness(tmp_path)
    witness.close()
    assert witness.add_checkpoint(growth(history("", 2), 0)).status == 503


def test_a_stop_answers_the_requests_under_way_first(tmp_path: Path) -> None:
    class SlowDisk(RememberingDisk):
        def sync_directory(self, path: Path) -> None:
            super().sync_directory(path)
            time.sleep(0.3)

    tmp_path.joinpath("witness").mkdir()
    witness = open_witness(tmp_path / "witness", disk=SlowDisk(tmp_path / "witness"))
    body = growth(history("", 2), 0)
    with running(witness) as url:
        late = raw(url)
        late.sendall(
            b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        while not list((tmp_path / "witness" / "logs").iterdir()):
            time.sleep(0.01)  # it is writing: stop now
    assert late.recv(1000).startswith(b"HTTP/1.1 200 ")
    late.close()
    witness.close()


# TLS, and what is watched.


def certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = (directory / "chain.pem", directory / "key.pem")
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_it_serves_tls(witness: Witness, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, key)
    with running(witness, tls=server) as url:
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=chain)
        with context.wrap_socket(raw(url), server_hostname="localhost") as connection:
            connection.sendall(b"GET /none HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 404 ")


def test_logs_are_watched_by_key_and_by_file(tmp_path: Path) -> None:
    path = tmp_path / "logs.toml"
    path.write_text(f'[logs."example.com/other"]\nkeys = ["{LASTING.vkey}"]\n')
    assert watched_logs([SIGNER.vkey, LASTING.vkey, SIGNER.vkey], path) == {
        ORIGIN: LOGS[ORIGIN],
        "example.com/other": (Verifier.parse(LASTING.vkey),),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "logs = 1",
        "[logs.a",
        '[logs.a]\nkeys = ["a+00000000+AAAA"]',
        "[logs.a]\nkeys = []",
        '[logs.a]\nkey = "x"',
        '[logs."a\\nb"]\nkeys = ["KEY"]',
        f'[logs.{"a" * 256}]\nkeys = ["KEY"]',
    ],
)
def test_a_list_of_logs_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "logs.toml"
    path.write_text(text.replace("KEY", SIGNER.vkey))
    with pytest.raises(UsageError):
        watched_logs([], path)
    with pytest.raises(UsageError, match="cannot be read"):
        watched_logs([], tmp_path / "none")


def test_consistency_of_what_is_shown_can_be_proven(url: str) -> None:
    leaves = history("", 20)
    shown = []
    for old, new in ((0, 7), (7, 20)):
        assert submit(url, growth(leaves[:new], old)).status == 200
        shown.append(open_checkpoint(send(url, CHECKPOINT).body, LOGS[ORIGIN]))
    verify_consistency(7, shown[0].root, 20, shown[1].root, consistency_proof(leaves, 7))
