"""What holds later: what was erased stays gone, is looked at again, and what comes back is told by
where it comes from; on real databases."""

from __future__ import annotations

import shutil
from typing import Any

import msgspec

import domicile.cli.kinds  # noqa: F401 - every kind of entry
from domicile.ledger import decode, read_only
from tests.covering import Covers
from tests.story.stage import Stage

ONE = ("--workers", "1")
SHREDDED = "told apart by custody's list; nothing of theirs is moved"
LOOKS = "reads only: nothing moves"
BACK = "recognised by digests; the alarm says to stop it, then to move and erase again"


def restore_backup(stage: Stage, place: str, scene: str) -> None:
    """Somebody restores a site as it was before its erasure."""
    stage._copy_database(place, f"scene_{scene}", "loopreel")
    media = stage.directory / place / "media"
    shutil.rmtree(media)
    shutil.copytree(stage._scenes / scene / place / "media", media, symlinks=True)


def flat(text: str) -> str:
    return " ".join(text.split())


def told(alarms: list[dict[str, Any]], what: str) -> dict[tuple[str, str], int]:
    return {(a["site"], a["dataset"]): a[what] for a in alarms if a[what]}


def test_what_comes_back_withdraws_home_and_is_told_by_its_origin(
    erased: Stage, covers: Covers
) -> None:
    erased.run("scan", *ONE).expect(0)
    clean = erased.run("recheck", "--json").expect(0).json
    assert [one["absent"] for one in clean["sites"]] == [True] * 4
    home = erased.run("status", "--json").expect(0).json
    states = {(s["site"], s["state"]) for s in home["states"]}
    assert ("virginia-db", "absent") in states
    assert ("virginia-db", "erased") not in states
    assert "Absent" in erased.run("recheck", "--site", "virginia-db").expect(0).out.title()

    restore_backup(erased, "singapore", "verified")
    alarms = erased.run("recheck", "--json").expect(1).json["alarms"]
    assert {alarm["site"] for alarm in alarms} == {"singapore-db", "singapore-media"}
    assert [a for a in alarms if a["items"] != a["returned"]] == []
    withdrawn = erased.run("status", "--json").expect(1).json
    assert any("withdrawn since" in why for why in withdrawn["verdict"]["lacking"])

    other = what_happens_in_virginia(erased)
    scanned = flat(erased.run("scan", *ONE).expect(1).out)
    assert "an application still writes there" in scanned
    assert "people who became members since" in scanned
    alarms = erased.run("status", "--json").expect(1).json["alarms"]
    since = {(a["site"], a["dataset"]): a["since"] for a in withdrawn["alarms"]}
    assert since.items() < {(a["site"], a["dataset"]): a["since"] for a in alarms}.items()
    each_item_is_told_by_its_origin(erased, other)

    erased.run("report").expect(1)
    page = (erased.records / "report.html").read_text()
    assert "What came back" in page
    assert "a backup was restored" in page
    erased.run("ledger", "verify").expect(0)
    home_again(erased, other)
    covers("Later", "what was erased is looked for again by schedule", "found", note=LOOKS)
    covers("Later", "a restored backup: rows, objects", "found", note=BACK)
    covers("Later", "a late writer's rows and objects")
    covers("Later", "persons who become members later")


def test_persons_who_were_shredded_are_recognised_when_a_backup_brings_them_back(
    erased: Stage, covers: Covers
) -> None:
    erased.seal()
    erased.charter.write_text(erased.charter.read_text() + "\n# a remark\n")
    query = "SELECT user_id, count(*) FROM devices JOIN users u ON u.id = user_id"
    query += " WHERE country = 'US' GROUP BY user_id ORDER BY user_id LIMIT 1"
    ((person, devices),) = erased.execute("oracle", query)
    listed = erased.directory / "persons"
    listed.write_text(f"{person}\n")
    erased.run("shred", "request", "--persons-from", str(listed)).expect(0)
    erased.run("shred", "run", "--confirm", "us").expect(0)
    assert erased.run("recheck", "--json").expect(0).json["alarms"] == []

    restore_backup(erased, "singapore", "verified")
    alarms = erased.run("recheck", "--json").expect(1).json["alarms"]
    assert told(alarms, "shredded")["singapore-db", "devices"] == devices
    assert told(alarms, "shredded")["singapore-db", "users"] == 1
    assert all(a["items"] == a["returned"] + a["shredded"] for a in alarms)
    assert "nothing of theirs can be brought home" in flat(erased.run("status").expect(1).out)

    for root in (erased.directory / "custodian").iterdir():
        root.rename(root.with_name(f"{root.name}.away"))
    alarms = erased.run("recheck", "--json").expect(1).json["alarms"]
    assert {a["shredded"] for a in alarms} == {-1}
    assert "could not be told" in flat(erased.run("status").expect(1).out)
    covers("Later", "shredded persons' data in a restored backup", "found", note=SHREDDED)


def each_item_is_told_by_its_origin(erased: Stage, other: int) -> None:
    entries = [a for a in entries_of(erased, "scan.drift") if a["site"].startswith("virginia")]
    assert told(entries, "written") == {
        ("virginia-db", "watch-events"): 1,
        ("virginia-media", "drafts"): 1,
    }
    devices = erased.execute("virginia", "SELECT count(*) FROM devices WHERE user_id = %s", other)
    newcomers = told(entries, "newcomers")
    assert newcomers["virginia-db", "devices"] == devices[0][0] > 0
    assert newcomers["virginia-media", "drafts"] == 1
    assert sum(told(entries, "returned").values()) == 1
    assert not told(entries, "other")
    assert not told(entries, "shredded")
    assert all(a["certified"] and a["certificate_sha256"] for a in entries)
    for a in entries_of(erased, "scan.drift"):
        parts = ("returned", "written", "newcomers", "shredded", "other")
        assert a["items"] == sum(a[part] for part in parts)


def home_again(erased: Stage, other: int) -> None:
    restore_backup(erased, "singapore", "erased")
    erased.execute("singapore", "UPDATE users SET country = 'US' WHERE id = %s", other)
    erased.run("scan", *ONE).expect(1)
    erased.run("plan").expect(0)
    erased.run("move", *ONE).expect(0)
    erased.run("verify", *ONE).expect(0)
    erased.erase().expect(0)
    erased.run("recheck").expect(0)
    assert erased.run("status", "--json").expect(1).json["alarms"]
    erased.run("scan", *ONE).expect(0)
    last = erased.run("status", "--json").expect(0).json
    assert last["alarms"] == []
    assert last["verdict"]["word"] == "home"


def what_happens_in_virginia(stage: Stage) -> int:
    """The application writes on for a member, somebody puts an object back, and somebody moves to
    the country."""
    (member,) = stage.execute("virginia", "SELECT min(id) FROM users WHERE country = 'US'")[0]
    query = "SELECT min(u.id) FROM devices JOIN users u ON u.id = user_id WHERE country <> 'US'"
    (other,) = stage.execute("virginia", query)[0]
    stage.execute("virginia", "INSERT INTO watch_events VALUES (%s, 1, 5, now())", member)
    stage.everywhere_away("UPDATE users SET country = 'US' WHERE id = %s", other)
    stage.put("virginia", f"drafts/{member}/late.bin", b"late")
    stage.put("virginia", f"drafts/{other}/new.bin", b"newcomer's")
    home = {v.key for page in stage.bucket("oracle").versions() for v in page if v.is_latest}
    key = min(k for k in home if k.startswith(("drafts/", "private/", "exports/")))
    stage.put("virginia", key, stage.get("oracle", key))
    return int(other)


def entries_of(stage: Stage, kind: str) -> list[dict[str, Any]]:
    """What the ledger's last entries of a kind say, behind the last scan's end."""
    reader = read_only(stage.records / "ledger")
    entries = [decode(data) for _, data in reader.entries()]
    after = max(n for n, entry in enumerate(entries) if entry.kind == "scan.finished")
    return [msgspec.to_builtins(e.body) for e in entries[after:] if e.kind == kind]
