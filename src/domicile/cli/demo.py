"""``domicile demo``: a whole story on a generated network, told by the commands themselves."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.rule import Rule

from domicile.cli.demo_access import Custodians, tell_access
from domicile.cli.demo_serve import serve_workspace
from domicile.cli.exits import Exit
from domicile.errors import EvidenceError, PlanError

__all__ = ["demo"]

_CAP = 1_000_000  # what `domicile erase` erases at a site without being told that it may more
_DOMICILE = (sys.executable, "-m", "domicile")
_SITES = ("virginia-media", "singapore-media", "virginia-db", "singapore-db")


@click.command()
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-workspace"),
    show_default=True,
    help="Where the network's servers and buckets lie. It stays, to play with.",
)
@click.option("--people", type=click.IntRange(20, 5_000_000), default=20_000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="As for move.")
@click.option("--serve", is_flag=True, help="Only serve a workspace again, and its S3 gateway.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def demo(
    workspace: Path, people: int, seed: int, workers: int | None, serve: bool, as_json: bool
) -> int:
    """Generate a short-video network, then scan, plan, move, verify and erase it."""
    story = _Story(Console(stderr=as_json, highlight=False), workspace, workers)
    if serve:
        return serve_workspace(story)
    story.tell(people, seed)
    if as_json:
        sys.stdout.write(json.dumps(story.result(), indent=2) + "\n")
    return Exit.WELL


class _Story:
    """Runs the commands exactly as a user would, in their own processes."""

    def __init__(self, console: Console, workspace: Path, workers: int | None) -> None:
        self.console = console
        self.workspace = workspace
        self.charter = workspace / "domicile.toml"
        self.workers = () if workers is None else ("--workers", str(workers))
        self.rows = self.objects = self.seconds = 0

    def tell(self, people: int, seed: int) -> None:
        """From the empty workspace to the report."""
        from domicile.demo.servers import stop_all

        started = time.monotonic()
        self._generate(people, seed)
        try:
            self._commands()
            self._check()
        finally:
            stop_all(self.workspace)
        self.seconds = round(time.monotonic() - started)
        self._close()

    def result(self) -> dict[str, object]:
        """What was made, and where the evidence lies."""
        return {
            "workspace": str(self.workspace),
            "charter": str(self.charter),
            "rows": self.rows,
            "objects": self.objects,
            "certificates": [str(path) for path in self._certificates()],
            "report": str(self._report()),
            "bundle": str(self._bundle),
            "seconds": self.seconds,
        }

    def _generate(self, people: int, seed: int) -> None:
        from domicile.demo.custodians import name_custodians
        from domicile.demo.workspace import give_keys, remove_workspace, write_workspace
        from domicile.demo.world import build

        self.console.print(Rule("a short-video network", style="dim"))
        self.console.print(
            f"{people:,} people in 40 countries: databases in Virginia and Singapore, buckets in"
            " both, and an empty home at Oracle in the US. One moment …"
        )
        remove_workspace(self.workspace)
        made = write_workspace(self.workspace, build(people, seed))
        give_keys(self.workspace)
        name_custodians(self.workspace)
        self.rows = sum(made.rows.values())
        self.objects = made.objects
        self.console.print(f"{self.rows:,} rows and {self.objects:,} objects")

    def _commands(self) -> None:
        Custodians(self).enact_charter()
        self.run("custody", "create")
        self.run("scan", *self.workers, expected=Exit.REMAINS)
        self.run("plan")
        self.run("move", *self.workers)
        self.run("verify", *self.workers)
        sites = [word for site in _SITES for word in ("--site", site, "--confirm", site)]
        cap = ("--max-items", str(self.rows)) if self.rows > _CAP else ()
        self.run("erase", *self.workers, *cap, *sites)
        self.run("scan", *self.workers)
        self._open()
        self.run("ledger", "verify")
        self.run("status")
        self.run("report")
        self.run("ledger", "export", "--kind", "erase", "--out", str(self._bundle))

    def _open(self) -> None:
        """What lies at home is no use to whoever has no key, and all of it to whoever has."""
        root = self.workspace / "custodian" / "root.key"
        away = root.with_name("root.key.away")
        root.rename(away)
        try:
            self.run("open", str(self.workspace / "stolen"), expected=Exit.SITE)
        finally:
            away.rename(root)
        opened = self.workspace / "opened"
        self.run("open", str(opened), "--dataset", "drafts")
        draft = next((path for path in sorted(opened.rglob("*")) if path.is_file()), None)
        if draft is not None:  # small worlds may have none
            self._compare(draft, draft.relative_to(opened))
        key = "drafts/0/none" if draft is None else str(draft.relative_to(opened))
        tell_access(self, key, there=draft is not None)
        if draft is not None:
            self._shred(draft.parent.name)

    def _compare(self, draft: Path, names: Path) -> None:
        """The first bytes of a draft, as it lies at home and as it was opened."""
        (lying, *_) = sorted((self.workspace / "oracle" / "media" / f"{names}@").glob("*.data"))
        self.console.print(f"{names}", soft_wrap=True)
        self.console.print(f"  at home:              {lying.read_bytes()[40:64].hex(' ')}")
        self.console.print(f"  opened with its key:  {draft.read_bytes()[:24].hex(' ')}")

    def _shred(self, person: str) -> None:
        """One member's key is destroyed: what it sealed opens no more, everybody else's does."""
        persons = self.workspace / "one-member.txt"
        persons.write_text(f"{person}\n", encoding="utf-8")
        self.run("shred", "request", "--persons-from", str(persons))
        self.run("shred", "run", "--confirm", "us", *Custodians(self).approve_shred())
        after = str(self.workspace / "opened-after")
        self.run("open", after, "--dataset", "drafts", expected=Exit.EVIDENCE)

    @property
    def _bundle(self) -> Path:
        return self.workspace / "erasure.bundle.json"

    def run(self, *words: str, expected: int = Exit.WELL) -> None:
        """Run one command and insist on how it ends."""
        self._insist(_shown(words), [*_DOMICILE, *words, *self._under], expected)

    def run_apart(self, *words: str) -> None:
        """Run one that needs no charter, as a custodian does elsewhere."""
        self._insist(_shown(words), [*_DOMICILE, *words], Exit.WELL)

    def ask(self, *words: str) -> dict[str, Any]:
        """Run one whose answer the story needs; what it prints may be a secret."""
        command = [*_DOMICILE, *words, *self._under, "--json"]
        printed = self._insist(_shown(words), command, Exit.WELL, subprocess.PIPE)
        answer: dict[str, Any] = json.loads(printed)
        return answer

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin one that goes on until it is ended; Ctrl-C does not reach it."""
        self._show(_shown(words))
        command = [*_DOMICILE, *words, *self._under]
        return subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, process_group=0
        )

    def say(self, text: str) -> None:
        """A line between two commands."""
        self.console.print(f"\n{text}", markup=False, soft_wrap=True)

    @property
    def _under(self) -> tuple[str, str]:
        return "--charter", str(self.charter)

    def _check(self) -> None:
        """Check the erasures as an outsider does: with the one file, in a process of its own."""
        from domicile.ledger.outside import verify_bundle

        records = self.workspace / ".domicile"
        key = records / "ledger" / "log.vkey"
        words = (str(self._bundle), "--key", str(key), "--files", str(records))
        program = Path(verify_bundle.__file__)
        shown = shlex.join(("python", program.name, *words))
        self._insist(shown, [sys.executable, "-I", str(program), *words], Exit.WELL)

    def _insist(
        self, shown: str, command: list[str], expected: int, into: int | None = None
    ) -> bytes:
        """Run a command, which must end so; what it printed ``into`` a pipe."""
        self._show(shown)
        where = into or (sys.stderr if self.console.stderr else None)
        done = subprocess.run(command, check=False, stdout=where)  # noqa: S603 - ourselves
        code = done.returncode
        if code == expected:
            return done.stdout or b""
        kind = EvidenceError if code == Exit.EVIDENCE else PlanError
        raise kind(
            f"`{shown}` ended with exit code {code}",
            expected=f"exit code {int(expected)}",
            next_step=f"see its messages above; the workspace {self.workspace} is left as it is",
        )

    def _show(self, shown: str) -> None:
        self.console.print()
        self.console.print(Rule(shown, style="dim", align="left"))

    def _certificates(self) -> list[Path]:
        return sorted((self.workspace / ".domicile").glob("runs/*/certificates/*.json"))

    def _report(self) -> Path:
        return (self.workspace / ".domicile" / "report.html").resolve()

    def _close(self) -> None:
        self.console.print()
        self.console.print(Rule("what is left to play with", style="dim"))
        for path in self._certificates():
            document = json.loads(path.read_text())
            self.console.print(
                f"certificate ({len(document['signatures'])} signature): {path}", soft_wrap=True
            )
        self.console.print(f"report: {self._report().as_uri()}", soft_wrap=True)
        self.console.print(
            f"charter: {self.charter}; `domicile demo --serve --workspace {self.workspace}` starts"
            " the servers again, and an S3 gateway to try",
            soft_wrap=True,
        )
        self.console.print(f"took {self.seconds} s")


def _shown(words: Sequence[str]) -> str:
    return shlex.join(("domicile", *words))
