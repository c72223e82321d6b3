"""The charter's models of what Domicile keeps: its records, the ledger's name and witnesses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domicile.charter.frozen import Frozen

__all__ = ["LedgerConfig", "LedgerWitness", "Records"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Records(Frozen):
    """Where Domicile keeps what it knows: inventory, ledger, state."""

    directory: str = Field(
        default=".domicile",
        description="Directory of the records, relative to the charter. It tells who has what, so"
        " it is protected data itself and lies at home.",
    )
    shard_rows: int = Field(
        default=1_000_000, ge=1, description="Rows per shard of a table, about."
    )
    shard_objects: int = Field(default=1_000, ge=1, description="Object versions per shard, about.")
    recheck_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How many days may pass before a site that was erased is looked at again"
        " (`domicile recheck`, or a scan). After that it is overdue, and the boundary not home.",
    )


class LedgerWitness(Frozen):
    """An outsider who co-signs the ledger's checkpoints, so that nobody can be shown another
    history than everybody else."""

    url: str = Field(
        description="Where the witness takes checkpoints: `https://host[:port][/path]`. `http://`"
        " will do: both sides' signatures are checked."
    )
    keys: tuple[str, ...] = Field(
        min_length=1,
        description="Its public keys, `name+hexid+base64`, of kind 0x04 (Ed25519) or 0x06"
        " (ML-DSA-44), all of one name. Each of them must sign.",
    )


class LedgerConfig(Frozen):
    """The ledger's name, and the witnesses that co-sign it."""

    origin: str | None = Field(
        default=None,
        description="The log's name and its keys': a URL without scheme that is yours, such as"
        " `ledger.reel.example/us`. It need not be reachable, and stays as it is once the log is"
        " begun. Without it: `domicile.invalid/` and the boundary's name.",
    )
    cosignatures: int | None = Field(
        default=None,
        ge=1,
        description="How many witnesses must co-sign a checkpoint. Without it: all of them.",
    )
    away: Literal["refuse", "publish"] = Field(
        default="refuse",
        description="Where fewer do: `refuse` keeps the entries and publishes nothing until enough"
        " of them answer, and what rests on a published entry doesn't happen; `publish` publishes"
        " with fewer, and `ledger verify` reports it.",
    )
    witnesses: dict[Name, LedgerWitness] = Field(
        default_factory=dict, description="The witnesses, `[ledger.witnesses.NAME]`."
    )
