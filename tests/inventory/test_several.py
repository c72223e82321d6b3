from __future__ import annotations

from dataclasses import dataclass

import pytest

from domicile.charter import TableDataset
from domicile.inventory import DatabaseRules, rules_for
from domicile.inventory.several import unfit_for_copies
from domicile.people import Hop, PersonPath
from domicile.sites.postgres import ForeignKey, Table, TableName
from tests.people.catalogues import charter, column, database, refers, table

SENDER = refers("messages(sender)", "users(id)")
RECEIVER = refers("messages(receiver)", "users(id)")
MESSAGE = refers("files(message)", "messages(id)")
UPLOADER = refers("files(uploader)", "users(id)")
BOTH = ("sender", "receiver")


def rules(
    tables: list[str | Table], keys: list[ForeignKey], datasets: dict[str, TableDataset]
) -> DatabaseRules:
    return rules_for(charter(datasets), database(["users", *tables], keys))


def copied(found: DatabaseRules) -> set[str]:
    return {name.name for name, one in found.tables.items() if one.copies}


def messages(persons: str = "copy", person: tuple[str, ...] = BOTH) -> dict[str, TableDataset]:
    dataset = TableDataset(table="messages", person=person, persons=persons)  # type: ignore[arg-type]
    return {"messages": dataset}


def test_what_hangs_on_a_row_goes_to_each_of_its_persons_too() -> None:
    keys = [SENDER, RECEIVER, MESSAGE]
    assert copied(rules(["messages", "files"], keys, messages())) == {"messages", "files"}
    assert copied(rules(["messages", "files"], keys, messages("any"))) == set()
    assert copied(rules(["messages", "files"], keys, messages("owner"))) == set()
    assert copied(rules(["messages"], keys[:2], messages(person=("sender",)))) == set()


def test_what_hangs_on_it_may_have_a_rule_of_its_own() -> None:
    keys = [SENDER, RECEIVER, MESSAGE, UPLOADER]
    named = ("message", "uploader")
    for persons, found in (
        ("any", {"messages"}),
        ("copy", {"messages", "files"}),
        ("owner", {"messages", "files"}),  # the message, and whoever its persons are
    ):
        dataset = TableDataset(table="files", person=named, persons=persons)  # type: ignore[arg-type]
        datasets = messages() | {"files": dataset}
        senders = table("messages", *(column(name, not_null=True) for name in BOTH))
        kept: list[str | Table] = [senders, "files"]
        assert copied(rules(kept, keys, datasets)) == found
    dataset = TableDataset(table="files", person=("uploader",))
    assert copied(rules(["messages", "files"], keys, messages() | {"files": dataset})) == {
        "messages"
    }


def test_a_table_without_a_key_is_not_examined() -> None:
    keyless = table("messages", *(column(name) for name in ("id", *BOTH)), key=())
    found = rules([keyless], [SENDER, RECEIVER], messages())
    assert (
        "neither primary nor unique key" in found.undecided[TableName("public", "messages")].reason
    )
    assert TableName("public", "messages") not in found.tables


THREAD = refers("messages(thread)", "threads(id)")
OWNER = refers("threads(owner)", "users(id)")


@pytest.mark.parametrize("kept", ["not null", "public", "whole", ""])
def test_a_way_that_an_erasure_may_empty_is_not_examined_until_it_is_kept(kept: str) -> None:
    """A member's thread to which a shared message refers is reduced; its owner must stay known."""
    threads = table("threads", column("owner", not_null=kept == "not null"))
    datasets = messages(person=("thread", "receiver"))
    if kept == "public":
        datasets["threads"] = TableDataset(table="threads", public=("owner",))
    if kept == "whole":
        datasets["threads"] = TableDataset(table="threads", classification="public")
    found = rules(["messages", threads], [THREAD, OWNER, RECEIVER], datasets)
    if kept:
        assert copied(found) == {"messages"}
    else:
        why = found.undecided[TableName("public", "messages")]
        assert "public.threads.owner" in why.reason or "threads.owner" in why.reason
        assert "owner" in why.next_step


@dataclass(frozen=True)
class Unkept:
    """A table of which nothing is kept."""

    paths: tuple[PersonPath, ...]
    keyed: bool = True

    def keeps(self, columns: object) -> bool:
        return not columns


def test_a_way_over_rows_that_may_be_several_persons_is_not_examined() -> None:
    name, over, users = (TableName("public", each) for each in ("calls", "phones", "users"))
    soft = Hop(("number",), over, ("number",), None)
    ways = (
        PersonPath(name, (soft, Hop(("owner",), users, ("id",), "owner"))),
        PersonPath(name, (Hop(("callee",), users, ("id",), None),)),
    )
    why = unfit_for_copies({name: Unkept(ways)}, {name}, name)
    assert why is not None
    assert "may be several persons'" in why.reason
    assert unfit_for_copies({name: Unkept(ways[1:] * 2)}, {name}, name) is None


def test_what_hangs_on_a_shared_row_finds_it_whole_whatever_may_be_null() -> None:
    found = rules(["messages", "files"], [SENDER, RECEIVER, MESSAGE], messages())
    assert not found.undecided
