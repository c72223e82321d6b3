"""A charter with custodians and a policy in force, and no sites that could be reached: the desk
needs none."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from domicile.cli.main import cli
from domicile.errors import DomicileError
from domicile.ledger import FileSigner
from domicile.policy.texts import built_in

__all__ = ["APPROVERS", "Precinct", "make_precinct"]

APPROVERS = ("ann", "ann-2", "bo", "cy")

_CHARTER = """
[company]
name = "Loopreel"

[boundaries.us]
members = ["US"]
custodian = "Custodian"
provider = "Oracle"
home = ["home"]

[boundaries.us.access]
approvers = {{ {approvers} }}

[boundaries.us.custodians]
keys = [{keys}]
charter = 2
operations = 2

[boundaries.us.keys]
root = "file"
path = "us.root"
passphrase_env = "PRECINCT_PASSPHRASE"

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

[networks.home]
country = "US"
ranges = ["127.0.0.1/32"]

[networks.office]
country = "SG"
ranges = ["127.0.0.2/32"]
"""


@dataclass(frozen=True)
class Precinct:
    """Where the charter is."""

    directory: Path

    @property
    def charter(self) -> Path:
        """Its path."""
        return self.directory / "domicile.toml"

    def copy(self, directory: Path) -> Precinct:
        """A copy of it, as long as nobody writes to it."""
        shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns("door"))
        return Precinct(directory)

    def run(self, *words: str, expect: int = 0) -> Result:
        """A command under the charter."""
        done = CliRunner().invoke(
            cli, [*words, "--charter", str(self.charter)], standalone_mode=False
        )
        code = done.return_value
        if isinstance(done.exception, DomicileError):
            code = done.exception.exit_code
        elif done.exception is not None:
            raise done.exception
        assert code == expect, (words, code, done.output, done.exception)
        return done

    def json(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """What a command prints as JSON."""
        return json.loads(self.run(*words, "--json").stdout)

    def refused(self, *words: str) -> str:
        """What a command that must be refused says."""
        return str(self.run(*words, expect=2).exception)

    def sign(self, proposal: Path, text: Path) -> list[str]:
        """What two custodians signed."""
        signed = []
        for name in ("one", "two"):
            out = str(self.directory / f"{proposal.name}.{name}")
            key = str(self.directory / f"{name}.key")
            words = ("custody", "sign", str(proposal), "--key", key, "--text", str(text))
            assert cli.main([*words, "--out", out], standalone_mode=False) == 0
            signed.append(out)
        return signed

    def enact(self, text: str, name: str) -> None:
        """Let a policy take effect."""
        path, proposal = self.directory / f"{name}.cedar", self.directory / f"{name}.note"
        path.write_text(text)
        self.run("policy", "propose", str(path), "--out", str(proposal))
        self.run("policy", "enact", str(path), *self.sign(proposal, path))

    def token(self, staff: str, *more: str) -> str:
        """A new token."""
        return str(self.json("staff", "credential", staff, *more)["token"])

    def showing(self, staff: str, *more: str) -> list[str]:
        """The words with which a staff member shows a new token."""
        path = self.directory / f"{staff}.token"
        path.touch(mode=0o600)
        path.write_text(self.token(staff, *more))
        return ["--token-file", str(path)]

    def agreeing(self, approver: str) -> list[str]:
        """The words with which an approver shows who they are, and signs."""
        return [*self.showing(approver, "--second-factor"), "--key", str(self.key(approver))]

    def key(self, name: str) -> Path:
        """Where somebody's key is."""
        return self.directory / f"{name}.key"


def make_precinct(directory: Path) -> Precinct:
    """Four approvers' logins of three humans, an engineer abroad and their manager."""
    precinct, keys = Precinct(directory), {}
    for name in ("one", "two", *APPROVERS):
        words = ["custody", "keygen", str(precinct.key(name)), "--name"]
        assert cli.main([*words, f"custodian.example/{name}"], standalone_mode=False) == 0
        keys[name] = f'"{FileSigner.load(precinct.key(name)).vkey}"'
    approvers = ", ".join(f"{name} = {keys[name]}" for name in APPROVERS)
    custodians = f"{keys['one']}, {keys['two']}"
    precinct.charter.write_text(_CHARTER.format(keys=custodians, approvers=approvers))
    proposal = directory / "charter.note"
    precinct.run("custody", "propose", "charter", "--out", str(proposal))
    precinct.run("custody", "enact", *precinct.sign(proposal, precinct.charter))
    precinct.enact(built_in(), "first")
    staff = directory / "staff.csv"
    staff.write_text(
        "id,kind,team,employer,country,manager,human,roles\n"
        "ann,person,trust,custodian,US,,,\nann-2,person,trust,custodian,US,,ann,\n"
        "bo,person,trust,custodian,US,,,\ncy,person,trust,custodian,US,,,moderation\n"
        "boss,person,feed,company,SG,,,\nkim,person,feed,company,SG,boss,,engineering\n"
        "app,application,feed,company,SG,boss,,\n"
    )
    precinct.run("staff", "load", str(staff))
    return precinct
