"""``domicile erase``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.exits import Exit
from domicile.cli.session import (
    Options,
    Session,
    cluster_option,
    common_options,
    emit_json,
    workers_option,
)
from domicile.erase import Erasable, EraseReport, erasable, run_erase
from domicile.errors import UsageError
from domicile.inventory import read_run
from domicile.move import Plan, read_plan

__all__ = ["erase"]


@click.command()
@common_options
@workers_option
@cluster_option
@click.option("--site", "sites", multiple=True, help="A site to erase at; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option(
    "--max-items",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="Refuse to erase more items than this at a site in one run.",
)
@click.option(
    "--confirm",
    multiple=True,
    metavar="SITE",
    help="Confirm a site by its name, instead of typing it.",
)
def erase(
    charter: Path,
    as_json: bool,
    workers: int,
    cluster: str | None,
    sites: tuple[str, ...],
    dry_run: bool,
    max_items: int,
    confirm: tuple[str, ...],
) -> int:
    """Erase away from home what is proven at home, look again, and certify. `domicile shred` erases
    persons at home."""
    with Session.open(Options(charter, as_json)) as session:
        plan = read_plan(session.estate, session.state)
        chosen = _choose(plan, sites)
        entries = read_run(session.estate.records, plan.run)
        allowed = [erasable(plan, entries, site, session.estate.charter.people) for site in chosen]
        if dry_run:
            return _dry_run(session, allowed)
        for site in allowed:
            _check_cap(site, max_items)
            _confirm(session, site, confirm)
        evidence, crew = session.evidence, session.crew(workers, cluster)
        reports = [run_erase(session.estate, evidence, plan, site, crew) for site in chosen]
    return _finish(session, reports)


def _choose(plan: Plan, sites: Sequence[str]) -> list[str]:
    planned = list(plan.erased_at)
    unknown = [site for site in sites if site not in planned]
    if unknown or not sites:
        raise UsageError(
            f"{', '.join(unknown)} is no site to erase at" if unknown else "no site was named",
            expected="one or more of " + ", ".join(planned),
            next_step="name the sites with --site",
        )
    return sorted(dict.fromkeys(sites), key=lambda site: plan.primary_of(site) is not None)


def _check_cap(site: Erasable, most: int) -> None:
    if site.items > most:
        raise UsageError(
            f"{site.items:,} items would be erased at {site.site}, more than {most:,}",
            expected="at most --max-items",
            next_step=f"look at `domicile plan`, then allow it with --max-items {site.items}",
        )


def _confirm(session: Session, site: Erasable, confirmed: Sequence[str]) -> None:
    """A person, or a script that names the site, says yes."""
    if site.site in confirmed or not site.shards:
        return
    if not session.err.is_terminal or session.options.as_json:
        raise UsageError(
            f"erasing at {site.site} was not confirmed",
            expected="the site's name",
            next_step=f"confirm with --confirm {site.site}",
        )
    answer = click.prompt(
        f"{site.items:,} items will be erased at {site.site} for good. Type its name to go on",
        err=True,
    )
    if answer != site.site:
        raise UsageError(
            f"{answer!r} is not {site.site}; nothing was erased",
            expected="the site's name",
            next_step="run the command again",
        )


def _dry_run(session: Session, allowed: Sequence[Erasable]) -> int:
    if session.options.as_json:
        emit_json({"dry_run": True, "sites": [_plain(site) for site in allowed]})
    for site in () if session.options.as_json else allowed:
        session.out.print(
            f"{site.site}: {site.items:,} items in {len(site.shards):,} shards would be erased;"
            f" {len(site.unproven):,} shards are not proven at home and would stay"
        )
    return Exit.REMAINS if any(site.unproven for site in allowed) else Exit.WELL


def _plain(site: Erasable) -> dict[str, object]:
    return {
        "site": site.site,
        "items": site.items,
        "shards": site.shards,
        "unproven": site.unproven,
    }


def _finish(session: Session, reports: Sequence[EraseReport]) -> int:
    if session.options.as_json:
        emit_json({"sites": [_json(report) for report in reports]})
    for report in () if session.options.as_json else reports:
        _print(session, report)
    if all(report.complete for report in reports):
        return Exit.WELL
    errors = [error.exit_code for report in reports for _, error in report.failures]
    return max(errors, default=Exit.REMAINS)


def _json(report: EraseReport) -> dict[str, object]:
    return {
        "site": report.site,
        "erased": report.erased,
        "reduced": report.reduced,
        "failed": report.failed,
        "held": report.held,
        "held_until": report.held_until,
        "remaining": report.remaining,
        "unexamined": report.unexamined,
        "held_back": report.held_back,
        "behind": report.behind,
        "unproven_shards": report.unproven,
        "failures": [{"shard": name, "error": str(e)} for name, e in report.failures],
        "certificate": report.certificate,
        "complete": report.complete,
    }


def _print(session: Session, report: EraseReport) -> None:
    out = session.out
    for shard, error in report.failures:
        out.print(f"failed at {report.site}: {shard}: {escape(str(error))}", style="bold red")
    out.print(
        f"{report.site}: {report.erased:,} items erased, {report.reduced:,} reduced to their public"
        f" projection; looked again: {report.remaining:,} remain,"
        f" {report.unexamined:,} not examined"
    )
    if report.failed or report.unproven:
        out.print(
            f"{report.failed:,} items failed, {report.unproven:,} shards are not proven and stay",
            style="bold red",
        )
    for table in report.held_back:
        out.print(
            f"not gone from the files of {report.site} yet: erased rows in {escape(table)};"
            " end that, then erase again",
            style="bold red",
        )
    if report.behind:
        out.print(
            f"{report.site} is a standby, and not examined as long as it is behind:"
            f" {escape(report.behind)}, then erase again",
            style="bold red",
        )
    if report.held:
        when = f"until {report.held_until}" if report.held_until else "until the holds are lifted"
        out.print(
            f"{report.held:,} items are held, {when}: still there and readable; erase again then",
            style="bold yellow",
        )
    out.print(
        f"certificate: {session.estate.records / report.certificate}", markup=False, soft_wrap=True
    )
