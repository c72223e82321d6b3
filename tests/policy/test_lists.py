"""Staff lists: everybody is taken, or nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domicile.errors import UsageError
from domicile.policy.lists import changes, read_list
from domicile.policy.staff import Staff
from tests.policy.office import hired, office, person, took

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HEADER = "id,kind,team,employer,country,manager,human,roles,status\n"
KIM = "kim,person,a-team,company,SG,boss,,engineering legal,\n"


def written(path: Path, text: str) -> Path:
    (path / "staff").write_text(text)
    return path / "staff"


def taken(path: Path, text: str) -> list[Staff]:
    return changes(office(), read_list(written(path, text)), whole=False)


def test_a_csv_has_a_line_each(tmp_path: Path) -> None:
    (kim,) = taken(tmp_path, "\ufeff" + HEADER + KIM)
    assert kim == Staff(
        "kim", "person", "a-team", "company", "SG", "boss", "", ("engineering", "legal")
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + KIM + KIM, "kim is there twice"),
        (HEADER + KIM.replace("SG", "XX"), "line 2"),
        (HEADER + KIM.replace("company", "nobody"), "line 2: Invalid enum value 'nobody'"),
        (HEADER + KIM.replace("boss", "kim"), "kim would report to themselves"),
        (HEADER + KIM.replace("boss", "bosss"), "report to bosss, who is nobody"),
        (HEADER + KIM.replace("kim,", "Kim <kim@example>,"), "line 2"),
        (HEADER + KIM.replace("\n", ",more\n"), "line 2 has more fields than the header"),
        ("id,kind\ndee,person\n", "line 2: Object missing required field"),
        ('{"Resources": 7}', "neither a list"),
        ("[{]", "JSON is malformed"),
        ('[{"id": "kim", "shoe": 7}]', "entry 1"),
    ],
)
def test_what_is_wrong_is_named_and_nobody_is_taken(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        taken(tmp_path, text)
    assert said in str(error.value)
    assert "nobody was taken" in str(error.value)


def test_scim_users_are_read_with_their_enterprise_extension(tmp_path: Path) -> None:
    user = {
        "userName": "kim",
        "active": False,
        "addresses": [{"country": "SG"}],
        "roles": [{"value": "engineering"}],
        ENTERPRISE: {
            "department": "a-team",
            "organization": "company",
            "manager": {"value": "28-19"},
        },
    }
    boss: dict[str, object] = {"userName": "boss", "id": "28-19", "addresses": [{"country": "SG"}]}
    boss[ENTERPRISE] = {"department": "a-team", "organization": "company"}
    _, kim = taken(tmp_path, json.dumps({"Resources": [boss, user], "totalResults": 2}))
    assert kim == person("kim", "company", "boss", roles=("engineering",), status="restricted")


def test_only_who_is_new_or_different_is_recorded_and_who_is_missing_has_ended() -> None:
    standing = office()
    rows = [("line 2", {"id": "bo"}), ("line 3", {"id": "lee", "manager": "cy"})]
    other = person("lee", "company", "cy")
    assert changes(standing, rows, whole=False) == [other]
    ended = changes(standing, rows, whole=True)
    assert {(one.id, one.status) for one in ended} == {
        ("lee", "active"),
        *((one, "ended") for one in ("ann", "ann-2", "cy", "boss", "kim")),
    }


def test_what_a_list_does_not_say_stays_a_ban_above_all() -> None:
    standing = office()
    took(standing, (1, hired(person("kim", "company", "boss", status="restricted"))))
    said = [("line 2", {"id": "kim", "team": "b-team"}), ("line 3", {"id": "ann-2"})]
    (kim,) = changes(standing, said, whole=False)
    assert (kim.status, kim.team, kim.manager) == ("restricted", "b-team", "boss")
    assert standing.staff["ann-2"].who == "ann"
    (kim,) = changes(standing, [("line 2", {"id": "kim", "status": "active"})], whole=False)
    assert kim.status == "active"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Resources": [{"userName": "kim"}], "totalResults": 7}, "a page of 1 of 7"),
        ({"Resources": [{"userName": "kim", "addresses": ["SG"]}]}, "entry 1 is no SCIM user"),
        ({"Resources": [{"userName": "kim", "roles": 7}]}, "entry 1 is no SCIM user"),
    ],
)
def test_a_scim_answer_that_is_none_is_refused(
    tmp_path: Path, answer: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        taken(tmp_path, json.dumps(answer))
