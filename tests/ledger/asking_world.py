"""Logs that ask real witnesses, which go away and come back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from domicile.ledger import Ledger, Log
from domicile.ledger.asking import KnownWitness
from domicile.ledger.cosigning import Cosigner
from domicile.ledger.note import cosigners
from domicile.ledger.witness import Witness, witness_signers
from domicile.ledger.witnesses import Quorum, Witnesses
from tests.ledger.witness_world import LASTING, LOGS, running, verifiers
from tests.ledger.world import ORIGIN, SIGNER

NAMES = ("witness.example/w1", "witness.example/w2", "witness.example/w3")
CLOSED = "http://127.0.0.1:9"  # nobody listens there


class World:
    """Witnesses that can go away and come back under their addresses."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stack = ExitStack()
        self.urls: dict[str, str] = {}

    def start(self, *names: str, port: int = 0) -> None:
        for name in names:
            directory = self.directory / name.rpartition("/")[2]
            witness = Witness.open(directory, name, LOGS)
            self.stack.callback(witness.close)
            self.urls[name] = self.stack.enter_context(running(witness, port=port))

    def stop(self) -> None:
        self.stack.close()
        self.stack = ExitStack()
        self.urls.clear()

    def known(self, name: str, url: str = "") -> KnownWitness:
        label = name.rpartition("/")[2]
        keys = verifiers(*witness_signers(self.directory / label, name))
        return KnownWitness(label, url or self.urls.get(name, CLOSED), keys)

    def asking(self, needed: int, *names: str, publish: bool = False, **urls: str) -> Witnesses:
        known = tuple(self.known(name, urls.get(name.rpartition("/")[2], "")) for name in names)
        quorum = Quorum(known, needed, "publish" if publish else "refuse")
        asking = Witnesses(quorum, timeout_s=1.0)
        self.stack.callback(asking.close)
        return asking


def open_log(directory: Path, cosigner: Cosigner) -> Log:
    return Log.open(directory, [SIGNER, LASTING], ORIGIN, cosigner=cosigner)


def open_shared(directory: Path, cosigner: Cosigner | None) -> Ledger:
    return Ledger.open(directory, [SIGNER, LASTING], ORIGIN, cosigner=cosigner)


def published(directory: Path) -> bytes:
    return (directory / "checkpoint").read_bytes()


def witnessed(world: World, directory: Path) -> set[str]:
    keys = [key for name in NAMES for key in world.known(name).keys]
    return set(cosigners(published(directory), keys))
