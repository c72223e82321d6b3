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

    def names_one(self, columns: object) -> bool:
        return bool(columns)

    def never_null(self, columns: object) -> bool:
        return bool(columns)


def test_a_way_over_rows_that_may_be_several_persons_is_not_examined() -> None:
    name, over, users = (TableName("public", each) for each in ("calls", "phones", "users"))
    soft = Hop(("number",), over, ("number",), None)
    ways = (
        PersonPath(name, (soft, Hop(("owner",), users, ("id",), "owner"))),
        PersonPath(name, (Hop(("callee",), users, ("id",), None),)),
    )
    why = unfit_for_copies({name: Unkept(ways)}, {name}, name, ("id",))
    assert why is not None
    assert "may be several persons'" in why.reason
    assert unfit_for_copies({name: Unkept(ways[1:] * 2)}, {name}, name, ("id",)) is None


def test_what_hangs_on_a_shared_row_finds_it_whole_whatever_may_be_null() -> None:
    found = rules(["messages", "files"], [SENDER, RECEIVER, MESSAGE], messages())
    assert not found.undecided


CALL = refers("calls(who)", "users(id)")


def test_one_way_that_may_lead_to_several_persons_is_not_examined() -> None:
    over = {
        "messages": TableDataset(table="messages", person=("id -> calls.room",), persons="copy")
    }
    files: list[str | Table] = [table("calls", "room", "who"), "messages", "files"]
    found = rules(files, [CALL, MESSAGE], over)
    for name in ("messages", "files"):
        assert "may be several persons'" in found.undecided[TableName("public", name)].reason
    assert copied(found) == set()


def test_a_person_who_is_not_named_by_key_is_not_examined() -> None:
    """Two persons may share an address; and an erasure takes it away."""
    users = table("users", "mail", unique=(("mail",),))
    letters = table("letters", "one", "other")
    for there, fit in (("mail", False), ("id", True)):
        person = (f"one -> users.{there}", "other")
        dataset = TableDataset(table="letters", person=person, persons="copy")
        found = rules_for(charter({"letters": dataset}), database([users, letters]))
        assert copied(found) == ({"letters"} if fit else set())
        assert (TableName("public", "letters") in found.undecided) is not fit


@pytest.mark.parametrize(
    ("unique", "not_null", "fit"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_what_follows_without_a_foreign_key_must_lead_to_one_row_that_names_all(
    *, unique: bool, not_null: bool, fit: bool
) -> None:
    """A thread's messages may be several persons'; one without a receiver is its sender's alone,
    and what hangs on it must be so too."""
    names = [column(name, not_null=not_null) for name in BOTH]
    parent = table("messages", "thread", *names, unique=(("thread",),) if unique else ())
    child = TableDataset(table="files", person=("thread -> messages.thread",))
    tables: list[str | Table] = [parent, table("files", "thread")]
    found = rules(tables, [SENDER, RECEIVER], messages() | {"files": child})
    assert copied(found) == ({"messages", "files"} if fit else {"messages"})
    files = TableName("public", "files")
    assert (files in found.undecided) is not fit
    if not fit:
        assert found.undecided[files].table == files
        assert "may be several persons', or nobody's" in found.undecided[files].reason


def test_what_follows_a_table_that_is_not_examined_says_so_of_itself() -> None:
    keyless = table("messages", *(column(name) for name in ("id", *BOTH)), key=())
    found = rules([keyless, "files"], [SENDER, RECEIVER, MESSAGE], messages())
    why = found.undecided[TableName("public", "files")]
    assert why.table == TableName("public", "files")
    assert why.reason.startswith("its rows are whose those of messages are: ")
