"""``domicile access read``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from domicile.charter import Template
from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.desk import Counter, at_the_desk, token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json
from domicile.errors import UsageError
from domicile.move import run_open

if TYPE_CHECKING:
    from domicile.policy.decisions import Decision

__all__ = ["read"]


@click.command()
@click.argument("dataset")
@click.argument("key")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@common_options
@token_option
@approvals_option
@click.option("--purpose", required=True, help="What for.")
@click.option("--ticket", default="", help="For which ticket.")
def read(
    dataset: str,
    key: str,
    target: Path,
    charter: Path,
    as_json: bool,
    token_file: Path | None,
    approvals: tuple[Path, ...],
    purpose: str,
    ticket: str,
) -> int:
    """Write the object KEY of DATASET, at home, into the directory TARGET, as the holder of the
    token, if the policy allows. That it began is in the ledger before its first byte."""
    from domicile.policy.entries import AccessClosed
    from domicile.policy.grants import Wanted
    from domicile.policy.standing import forbidden

    with at_the_desk(Options(charter, as_json)) as counter:
        desk, session = counter.desk, counter.session
        evidence = desk.evidence
        ask_custodians(session, evidence, approvals)
        caller = counter.caller(token_file)
        wanted = Wanted("read", dataset, purpose, ticket, person=_person(counter, dataset, key))
        foreseen, _ = desk.decide(caller, wanted)
        if foreseen.allowed and foreseen.obligations.is_for_gateways:
            raise _needs_gateway(foreseen)
        decision, opened = desk.open(caller, wanted)
        items = size = 0
        ended: Literal["whole", "failed", "capped"] = "failed"
        try:
            if opened.caps.items == 0:
                ended = "capped"
                raise forbidden("nothing is left of the caps", "ask for another grant")
            done = run_open(
                session.estate,
                evidence,
                target,
                session.progress,
                datasets=(dataset,),
                key=key,
                most_bytes=opened.caps.size_bytes,
            )
            items, size = done.items, done.bytes
            ended = "failed" if done.refused else "whole"
        finally:
            desk.close(opened, AccessClosed(desk.boundary, opened.access, items, size, ended))
        for _, _, error in done.refused:
            raise error
        if as_json:
            emit_json({"access": opened.access, "items": items, "bytes": size})
        else:
            counter.say(f"{opened.access}: {items} objects, {size:,} bytes; {decision.sentence}")
    return Exit.WELL if items else Exit.REMAINS


def _person(counter: Counter, dataset: str, key: str) -> str | None:
    """The pseudonym of the person whose object it is by its key, where they have one."""
    from domicile.custody.pseudonyms import Pseudonyms

    found = counter.session.loaded.charter.objects.get(dataset)
    if found is None or found.template is None:
        return None
    person = (Template.parse(found.template).match(key) or {}).get("person", "")
    return Pseudonyms(counter.state).known([person]).get(person) if person else None


def _needs_gateway(decision: Decision) -> UsageError:
    return UsageError(
        f"{', '.join(decision.policies)} allow it masked, sampled or sealed",
        expected="a way that does this to the data",
        next_step="whole objects are not given out so: ask for a grant that allows them",
    )
