"""``domicile demo --serve``: a told story's servers and its S3 gateway, and what to try at them."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import NoReturn, Protocol

from domicile.cli.demo_access import DATASET, PURPOSE, Teller
from domicile.cli.exits import Exit
from domicile.errors import PlanError, UsageError

__all__ = ["Keeper", "serve_workspace"]

_HOST = "127.0.0.1"
_PORT, _S3_PORT = 8750, 8751
_PATIENCE_S = 60.0
_ENDING = (signal.SIGINT, signal.SIGTERM)
_ENVIRONMENT = """\
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3
export AWS_ENDPOINT_URL={url} AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID={key}
export AWS_SECRET_ACCESS_KEY={secret}
export PATH="$PATH":{programs}
"""
_SCREEN = Template("""\
In another terminal, with the AWS command line (pip install awscli); aws.env has the gateway's
address and an access key of ${engineer}'s, the engineer abroad, and is gone at the end:

  cd $workspace && . ./aws.env

What there is; and a member's draft at home, which is denied. Only get-object is told why: cp asks
with HEAD, to which S3 has no words.

  aws s3 ls
  aws s3 cp s3://$object draft.mp4
  aws s3api get-object --bucket $dataset --key $key draft.mp4

$engineer asks, and two of the custodian's agree, each with a key of their own:

  request=$$(domicile access request --dataset $dataset --purpose $purpose --hours 1 \
--token-file $engineer.token | cut -d: -f1)
  domicile access approve $$request --token-file $first.token --key custodian/$first.key
  domicile access approve $$request --token-file $second.token --key custodian/$second.key

It comes, opened, until $first takes it back:

  aws s3 cp s3://$object draft.mp4
  domicile access revoke $$request --token-file $first.token

And all of it is in the ledger:

  domicile access history --dataset $dataset --since $since
  domicile ledger search --kind access --since $since

Ctrl-C here ends it all.""")


class Keeper(Teller, Protocol):
    """A teller whose commands may go on while others run."""

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin a command under the charter, which Ctrl-C does not reach, and show it."""


def serve_workspace(keeper: Keeper) -> int:
    """Start a workspace's servers again until SIGINT or SIGTERM, and, where home has a draft to
    show, its API and S3 gateway. Raises UsageError where there is no workspace, and PlanError where
    the gateway ends by itself."""
    from domicile.demo.servers import start_all, stop_all

    _require_workspace(keeper.workspace)
    for each in _ENDING:
        signal.signal(each, _end)
    try:
        start_all(keeper.workspace)
        key = _draft(keeper.workspace)
        if key is None:
            keeper.say(f"serving {keeper.workspace}; home has no draft to show; stop with Ctrl-C")
            signal.pause()
        else:
            _open_door(keeper, key)
    except KeyboardInterrupt:
        keeper.say(f"ending {keeper.workspace}")
    finally:
        stop_all(keeper.workspace)
    return Exit.WELL


def _end(_signal: int, _frame: object) -> NoReturn:
    """Begin to end; nothing disturbs that."""
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _require_workspace(workspace: Path) -> None:
    if not (workspace / "domicile.toml").is_file():
        raise UsageError(
            f"{workspace} is no workspace of the demo",
            expected="the folder of a story that was told",
            next_step="tell it first, with `domicile demo`, or name another with --workspace",
        )


def _draft(workspace: Path) -> str | None:
    """The key of a draft at home that can be opened: not the member's whose key was destroyed."""
    from domicile.demo.workspace import bucket

    listed = workspace / "one-member.txt"
    shredded = listed.read_text(encoding="utf-8").split() if listed.exists() else []
    keys = [
        version.key
        for page in bucket(workspace, "oracle").versions(f"{DATASET}/")
        for version in page
        if version.is_latest and not version.is_marker
    ]
    return next((key for key in keys if key.split("/")[1] not in shredded), None)


def _open_door(keeper: Keeper, key: str) -> NoReturn:
    """Serve the gateway, and say what to do there, until interrupted."""
    port, s3_port = _free_port(_PORT), _free_port(_S3_PORT)
    words = ("serve", "--port", str(port), "--s3-port", str(s3_port))
    with _access_key(keeper, f"http://{_HOST}:{s3_port}"), _running(keeper, words) as process:
        _await(process, s3_port)
        keeper.say(_screen(keeper.workspace, key))
        code = process.wait()
    raise PlanError(
        f"`domicile serve` ended with exit code {code}",
        expected="that it serves until it is stopped",
        next_step="see its messages above",
    )


def _screen(workspace: Path, key: str) -> str:
    from domicile.demo.custodians import APPROVERS, ENGINEER
    from domicile.ledger.entries import time_text

    first, second = APPROVERS
    return _SCREEN.substitute(
        workspace=shlex.quote(str(workspace.resolve())),
        engineer=ENGINEER,
        first=first,
        second=second,
        dataset=DATASET,
        purpose=PURPOSE,
        key=key,
        object=f"{DATASET}/{key}",
        since=time_text(datetime.now(UTC)),
    )


@contextmanager
def _access_key(keeper: Keeper, url: str) -> Iterator[None]:
    """An access key of the engineer's, in a file of mode 0600, for as long as this lasts."""
    from domicile.demo.custodians import ENGINEER

    words = (ENGINEER, "--s3-key", "--purpose", PURPOSE, "--days", "1")
    given = keeper.ask("staff", "credential", *words)
    path = keeper.workspace / "aws.env"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    try:
        path.write_text(
            _ENVIRONMENT.format(
                url=url,
                key=given["credential"],
                secret=given["secret"],
                programs=shlex.quote(str(Path(sys.executable).parent)),
            ),
            encoding="utf-8",
        )
        yield
    finally:
        path.unlink()
        keeper.run("staff", "revoke", given["credential"])


@contextmanager
def _running(keeper: Keeper, words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    process = keeper.start(*words)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Until it answers there, or has ended."""
    deadline = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((_HOST, port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _free_port(preferred: int) -> int:
    """This port, or, where somebody listens there, any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, preferred))
        except OSError:
            probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
