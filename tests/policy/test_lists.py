"""Staff lists: everybody is taken, or nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domicile.errors import UsageError
from domicile.policy.lists import changes, read_list
from domicile.policy.staff import Staff
from tests.policy.office import office, person

HEADER = "id,kind,team,employer,country,manager,human,roles,status\n"
KIM = "kim,person,a-team,company,SG,boss,,engineering legal,\n"


def written(path: Path, text: str) -> Path:
    (path / "staff").write_text(text)
    return path / "staff"


def test_a_csv_has_a_line_each(tmp_path: Path) -> None:
    (kim,) = read_list(written(tmp_path, "\ufeff" + HEADER + KIM))
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
        (HEADER + KIM.replace("kim,", "Kim <kim@example>,"), "line 2"),
        (HEADER + KIM.replace("\n", ",more\n"), "line 2 has more fields than the header"),
        ("id,kind\nkim,person\n", "line 2: Object missing required field"),
        ('{"Resources": 7}', "neither a list"),
        ("[{]", "JSON is malformed"),
        ('[{"id": "kim", "shoe": 7}]', "entry 1"),
    ],
)
def test_what_is_wrong_is_named_and_nobody_is_taken(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_list(written(tmp_path, text))
    assert said in str(error.value)
    assert "nobody was taken" in str(error.value)


def test_scim_users_are_read_with_their_enterprise_extension(tmp_path: Path) -> None:
    user = {
        "userName": "kim",
        "active": False,
        "addresses": [{"country": "SG"}],
        "roles": [{"value": "engineering"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "department": "a-team",
            "organization": "company",
            "manager": {"value": "boss"},
        },
    }
    (kim,) = read_list(written(tmp_path, json.dumps({"Resources": [user]})))
    assert kim == person("kim", "company", "boss", roles=("engineering",), status="restricted")


def test_only_who_is_new_or_different_is_recorded_and_who_is_missing_has_ended() -> None:
    standing = office()
    same, other = person("bo"), person("lee", "company", "cy")
    assert changes(standing, [same, other], whole=False) == [other]
    ended = changes(standing, [same, other], whole=True)
    assert {(one.id, one.status) for one in ended} == {
        ("lee", "active"),
        *((one, "ended") for one in ("ann", "ann-2", "cy", "boss", "kim")),
    }
