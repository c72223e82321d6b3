"""Decisions at the desk: 100,000 staff and 200 policies, asked again, asked anew, and revoked."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import msgspec

from bench.measure import busy_seconds
from domicile.cli.desk import Counter, at_the_desk
from domicile.cli.main import cli
from domicile.cli.session import Options
from domicile.ledger import FileSigner, decode
from domicile.policy.credentials import issue_token
from domicile.policy.entries import Asked, StaffChanged
from domicile.policy.grants import Wanted
from domicile.policy.questions import Caller
from domicile.policy.staff import Staff
from domicile.policy.texts import built_in

__all__ = ["POLICIES", "STAFF", "Figures", "measure"]

STAFF = 100_000
POLICIES = 200
_AT_ONCE = 200  # staff in an entry
_WARM, _COLD = 20_000, 1_000
_PATIENCE_S = 60
_CHARTER = """
[company]
name = "Reel"
[boundaries.us]
members = ["US"]
custodian = "Custodian"
provider = "Oracle"
home = ["home"]
[boundaries.us.access]
[boundaries.us.custodians]
keys = ["{key}"]
charter = 1
operations = 1
[people]
table = "users"
key = ["id"]
country = "country"
[sites.home]
kind = "postgres"
country = "US"
provider = "Oracle"
url = "postgresql://nobody@127.0.0.1:1/nothing?sslmode=require"
[objects.drafts]
template = "drafts/{{person}}/{{file}}"
"""
_POLICY = """
@id("team-{number}")
@because("the caller is of {{principal.team}}, for {{context.purpose}}")
permit (principal, action == Action::"read", resource)
when {{
  principal.team == "team-{number}" && context.inside && context.second_factor &&
  context.purpose == "purpose-{number}" && resource.classification != "protected"
}};
"""


@dataclass
class Figures:
    """Seconds that single decisions took, by whether the question was asked before: at the desk,
    and of the policy alone. cold_processor_s: processor time of those at the desk. revoked_s: from
    a revocation's entry in the ledger, made by another process, to the server's first refusal.
    others: what the rest of the machine took of its processors' time meanwhile."""

    warm_desk_s: list[float] = field(default_factory=list)
    warm_policy_s: list[float] = field(default_factory=list)
    cold_desk_s: list[float] = field(default_factory=list)
    cold_policy_s: list[float] = field(default_factory=list)
    cold_processor_s: list[float] = field(default_factory=list)
    others: float = 0.0
    revoked_s: list[float] = field(default_factory=list)


def measure(directory: Path, pairs: int) -> Figures:
    """Everything, on the disk of this directory."""
    directory.mkdir()
    found = Figures()
    with redirect_stdout(StringIO()):
        charter = _charter(directory)
    with at_the_desk(Options(charter, as_json=False)) as counter:
        _fill(counter)
        tokens = [_token(counter, f"s{number}") for number in range(1, pairs + 1)]
        found.others = _share_of_others(lambda: _decisions(counter, found))
    with _serving(charter) as port:
        for number, token in enumerate(tokens, 1):
            found.revoked_s.append(_revocation(charter, port, f"s{number}", token))
    shutil.rmtree(directory)
    return found


def _decisions(counter: Counter, found: Figures) -> None:
    desk, chosen = counter.desk, random.Random(1)  # noqa: S311 - any will do
    staff = [f"s{number}" for number in chosen.sample(range(STAFF), _COLD)]
    wanted = Wanted("read", "drafts", "moderation")
    known = Caller("s7", "US")
    _, opened = desk.decide(known, wanted)
    found.warm_desk_s, _ = _timed(_WARM, lambda _: desk.decide(known, wanted))
    found.warm_policy_s, _ = _timed(_WARM, lambda _: desk.engine.decide(opened.asked, 0))
    found.cold_desk_s, found.cold_processor_s = _timed(
        _COLD, lambda at: desk.decide(Caller(staff[at], "SG"), wanted)
    )
    asked = [_as(opened.asked, one) for one in staff]
    found.cold_policy_s, _ = _timed(_COLD, lambda at: desk.engine.decide(asked[at], 0))


def _as(asked: Asked, staff: str) -> Asked:
    """The question as somebody else's."""
    return msgspec.structs.replace(asked, staff=staff)


def _timed(times: int, act: Callable[[int], object]) -> tuple[list[float], list[float]]:
    """What each took by the clock, and of the processor."""
    clock, processor = [], []
    for at in range(times):
        began, begun = time.thread_time(), time.perf_counter()
        act(at)
        clock.append(time.perf_counter() - begun)
        processor.append(time.thread_time() - began)
    return clock, processor


def _share_of_others(act: Callable[[], object]) -> float:
    busy, own, begun = busy_seconds(), time.process_time(), time.perf_counter()
    act()
    others = busy_seconds() - busy - (time.process_time() - own)
    return others / (time.perf_counter() - begun) / (os.cpu_count() or 1)


def _revocation(charter: Path, port: int, staff: str, token: str) -> float:
    """Seconds from the entry that restricts somebody to the server's first refusal of theirs."""
    if _status(port, token) != 200:
        raise RuntimeError(staff)
    words = ["-m", "domicile", "staff", "restrict", staff, "--charter", str(charter)]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL) as running:
        while _status(port, token) == 200:
            if running.poll():
                raise RuntimeError(running.returncode)
            time.sleep(0.02)
        refused = datetime.now(UTC)
    with at_the_desk(Options(charter, as_json=False)) as counter:
        *_, last = counter.desk.evidence.since(counter.desk.evidence.head()[0] - 1)
        entry = decode(last[1])
    if not isinstance(entry.body, StaffChanged):
        raise TypeError(entry.kind)
    return (refused - entry.time).total_seconds()


def _status(port: int, token: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", "/v1/requests" if token else "/healthy", headers=headers)
        answer = connection.getresponse()
        json.loads(answer.read())
        return answer.status


@contextmanager
def _serving(charter: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["-m", "domicile", "serve", "--charter", str(charter), "--port", str(port)]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL) as process:
        try:
            _await(port, process)
            yield port
        finally:
            process.terminate()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            _status(port, "")
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _token(counter: Counter, staff: str) -> str:
    until = datetime.now(UTC) + timedelta(days=1)
    _, token = issue_token(counter.desk, staff, until, by="", second_factor=False)
    return token


def _fill(counter: Counter) -> None:
    """All staff, of whom every third is the custodian's."""
    for first in range(0, STAFF, _AT_ONCE):
        some = tuple(_member(number) for number in range(first, first + _AT_ONCE))
        counter.desk.evidence.record(StaffChanged(counter.desk.boundary, "", some))
    if len(counter.desk.standing.staff) != STAFF:
        raise RuntimeError(len(counter.desk.standing.staff))


def _member(number: int) -> Staff:
    ours = number % 3 == 1
    return Staff(
        id=f"s{number}",
        kind="person",
        team=f"team-{number % 500}",
        employer="custodian" if ours else "company",
        country="US" if ours else "SG",
        manager=f"s{number // 10}" if number else "",
        roles=("moderation",) if number % 2 else ("engineering",),
    )


def _charter(directory: Path) -> Path:
    """A charter in force, and a policy."""
    charter, key = directory / "domicile.toml", directory / "one.key"
    _run("custody", "keygen", str(key), "--name", "custodian.example/one")
    charter.write_text(_CHARTER.format(key=FileSigner.load(key).vkey))
    text, count = built_in(), built_in().count("@id(")
    text += "".join(_POLICY.format(number=number) for number in range(POLICIES - count))
    policy, note, signed = (directory / name for name in ("policy.cedar", "note", "signed"))
    policy.write_text(text)
    under = ("--charter", str(charter))
    sign = ("custody", "sign", str(note), "--key", str(key), "--out", str(signed), "--text")
    _run("custody", "propose", "charter", "--out", str(note), *under)
    _run(*sign, str(charter))
    _run("custody", "enact", str(signed), *under)
    note.unlink()
    signed.unlink()
    _run("policy", "propose", str(policy), "--out", str(note), *under)
    _run(*sign, str(policy))
    _run("policy", "enact", str(policy), str(signed), *under)
    return charter


def _run(*words: str) -> None:
    code = cli.main(list(words), standalone_mode=False)
    if code:
        raise RuntimeError(f"{words}: {code}")
