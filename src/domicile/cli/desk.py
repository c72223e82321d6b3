"""What the commands about staff, policies and access share: the desk, and who calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.markup import escape

from domicile.cli.custody_roots import ask_custodians
from domicile.cli.session import Options, Session
from domicile.custody.credential import EnvironmentCredential, FileCredential
from domicile.errors import DomicileError

if TYPE_CHECKING:
    from domicile.custody.keys import Keys
    from domicile.policy.desk import Desk
    from domicile.policy.post import Post
    from domicile.policy.questions import Caller
    from domicile.state import State

__all__ = ["Counter", "at_the_desk", "token_option"]

F = TypeVar("F", bound=Callable[..., Any])
_VARIABLE = "DOMICILE_TOKEN"
_HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Counter:
    """An open desk, for one command."""

    session: Session
    desk: Desk
    state: State
    post: Post

    def caller(self, token_file: Path | None) -> Caller:
        """Who calls, by their token. Whoever stands at this machine connects from its loopback
        address. Raises SiteRefused where there is none, AccessForbidden where it is not good."""
        from domicile.policy.logins import Logins

        where = (
            EnvironmentCredential(_VARIABLE, os.environ)
            if token_file is None
            else FileCredential(token_file)
        )
        return Logins(self.session.loaded.charter, self.desk).caller(where.read(), _HERE)

    def keys(self, approvals: Sequence[Path]) -> Keys:
        """The boundary's keys, opened with the custodians' approval, where the charter asks it;
        that they are is in the ledger first. Raises as `Estate.keyring`."""
        session, evidence = self.session, self.desk.evidence
        ask_custodians(session, evidence, approvals)
        return session.estate.keyring(self.state, evidence.record).open("open")

    def say(self, text: str, style: str | None = None) -> None:
        """A line on the terminal; nothing in it can disguise itself."""
        self.session.out.print(escape(text), soft_wrap=True, style=style)


@contextmanager
def at_the_desk(options: Options, *, acts: bool = True) -> Iterator[Counter]:
    """The desk of the boundary; for who ``acts``, under the rules of the charter in force, which
    are in the ledger then."""
    from domicile.policy.desk import Desk
    from domicile.policy.post import Post

    with Session.open(options) as session:
        state = session.state
        desk = Desk(session.estate, session.evidence, state)
        if acts:
            desk.set_rules()
        charter = session.loaded.charter
        post = Post(charter, desk.boundary, state, session.estate.base, os.environ)
        post.begin(desk)
        yield Counter(session, desk, state, post)
        _notify(session, desk, post)


def _notify(session: Session, desk: Desk, post: Post) -> None:
    """Tell whom the charter names what the ledger has new. What was done stands, whatever comes of
    it."""
    try:
        said = post.send(post.collect(desk))
    except DomicileError as error:
        said = [f"notices were not sent: {error.failed}"]
    for line in said:
        session.err.print(f"warning: {line}", style="yellow", markup=False, soft_wrap=True)


def token_option(function: F) -> F:
    """``--token-file``."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"The caller's token, in a file of mode 0600.  [default: the variable {_VARIABLE}]",
    )(function)
