"""A log as a witness sees it: histories, signed heads, requests; and a witness that answers."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Thread
from urllib.parse import urlsplit

from domicile.ledger import FileSigner, Signer
from domicile.ledger.base64 import encode_base64
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.disk import Disk
from domicile.ledger.keys import COSIGN_MLDSA44, Verifier
from domicile.ledger.merkle import consistency_proof, leaf_hash, root_of
from domicile.ledger.note import parse_note
from domicile.ledger.signing import sign_note
from domicile.ledger.witness import Witness
from domicile.ledger.witness.server import Limits, Listen, serving
from tests.ledger.world import ORIGIN, SIGNER

WITNESS = "witness.example/w1"
LASTING = FileSigner(ORIGIN, bytes(range(32)), COSIGN_MLDSA44)
NOW_S = 1_800_000_000


def verifiers(*signers: Signer) -> tuple[Verifier, ...]:
    return tuple(Verifier.parse(signer.vkey) for signer in signers)


LOGS = {ORIGIN: verifiers(SIGNER, LASTING)}


def history(name: str, size: int, *, common: int = 0) -> list[bytes]:
    """Leaf hashes; the first ``common`` ones are those of every history."""
    return [leaf_hash(f"{'' if at < common else name}{at}".encode()) for at in range(size)]


def head(
    leaves: Sequence[bytes], signers: Sequence[Signer] = (SIGNER, LASTING), origin: str = ORIGIN
) -> bytes:
    text = Checkpoint(origin, len(leaves), root_of(leaves)).text
    return sign_note(text, signers, NOW_S).encode()


def request(old: int | str, proof: Sequence[bytes], note: bytes) -> bytes:
    lines = [f"old {old}", *map(encode_base64, proof)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + note


def growth(leaves: Sequence[bytes], old: int) -> bytes:
    """A whole, correct request."""
    return request(old, consistency_proof(leaves, old), head(leaves))


@dataclass
class Clock:
    now_s: float = NOW_S
    asked: int = field(default=0)

    def __call__(self) -> float:
        self.asked += 1
        return self.now_s


def open_witness(
    directory: Path, clock: Clock | None = None, disk: Disk | None = None, name: str = WITNESS
) -> Witness:
    return Witness.open(directory, name, LOGS, clock=clock or Clock(), disk=disk)


@contextmanager
def running(
    witness: Witness,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> Iterator[str]:
    """The real server on this machine; its URL."""
    urls: Queue[str | BaseException] = Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        listen = Listen("127.0.0.1", port, tls)
        async with serving(witness, listen, limits or Limits()) as url:
            urls.put(url)
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        url = urls.get(timeout=20)
        assert isinstance(url, str)
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    body: bytes


def send(url: str, path: str, body: bytes | None = None, method: str = "") -> Reply:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body)
        response = connection.getresponse()
        return Reply(response.status, response.headers.get("Content-Type") or "", response.read())
    finally:
        connection.close()


def submit(url: str, body: bytes) -> Reply:
    return send(url, "/add-checkpoint", body)


def timestamps(note: bytes, name: str = WITNESS) -> list[int]:
    """What the lines of one name say of the time."""
    lines = parse_note(note).signatures
    return [int.from_bytes(line.signature[:8], "big") for line in lines if line.name == name]


def with_lines(leaves: Sequence[bytes], lines: bytes) -> bytes:
    """A log's head with what a witness answered."""
    return head(leaves) + lines
