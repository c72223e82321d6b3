"""How move and verify end."""

from __future__ import annotations

from rich.markup import escape

from domicile.cli.exits import Exit
from domicile.cli.session import Session, emit_json
from domicile.move import StepReport

__all__ = ["finish_step"]

_SHOWN = 20


def finish_step(session: Session, step: str, run: str, done: StepReport, *, next_step: str) -> int:
    """Print what was done and return the exit code: the worst of the failures'."""
    if session.options.as_json:
        emit_json(
            {
                "step": step,
                "run": run,
                "shards": done.done,
                "shards_before": done.before,
                "items": done.items,
                "bytes": done.bytes,
                "failed_items": done.failed_items,
                "unproven": done.unproven,
                "failures": [{"shard": name, "error": str(e)} for name, e in done.failures],
                "complete": done.complete,
            }
        )
    else:
        _print(session, step, done, next_step)
    if done.complete:
        return Exit.WELL
    return max((error.exit_code for _, error in done.failures), default=Exit.REMAINS)


def _print(session: Session, step: str, done: StepReport, next_step: str) -> None:
    for shard, error in done.failures:
        session.out.print(f"failed: {shard}: {escape(str(error))}", style="bold red")
    earlier = f", {done.before:,} were done before" if done.before else ""
    size = f" ({done.bytes:,} bytes)" if done.bytes else ""
    session.out.print(f"{step}: {done.done:,} shards, {done.items:,} items{size}{earlier}")
    if done.failed_items:
        session.out.print(f"{done.failed_items:,} items failed", style="bold red")
    for part in done.unproven[:_SHOWN]:
        times = f" ({part.proofs:,} times)" if part.proofs > 1 else ""
        session.out.print(f"{part.shard} at {part.site}: {escape(part.reason)}{times}")
    if len(done.unproven) > _SHOWN:
        session.out.print(f"and {len(done.unproven) - _SHOWN:,} more: see --json")
    if done.unproven:
        session.out.print("what home holds differently is never overwritten: see docs/limits.md")
    if done.complete:
        session.out.print(f"next: {next_step}")
