"""``[boundaries.NAME.access.approvers]``: everything that can be wrong with their keys."""

from __future__ import annotations

import pytest

from domicile.charter import parse_charter
from tests.charter.test_custodians import SECTION as CUSTODIANS
from tests.charter.test_custodians import TODAY, refusal
from tests.charter.test_witnesses import LEDGER, key

ANN = key("custodian.example/a", 31, 0x01)
BO = key("custodian.example/b", 32, 0x01)
SECTION = f"""
[boundaries.us.access]
approvals = 2
[boundaries.us.access.approvers]
ann = "{ANN}"
bo = "{BO}"
"""


def test_approvers_are_read_with_their_keys(text: str) -> None:
    charter = parse_charter(text + CUSTODIANS + SECTION, "domicile.toml", today=TODAY).charter
    assert charter.boundaries["us"].access.approvers == {"ann": ANN, "bo": BO}


def test_without_the_section_nobody_approves(text: str) -> None:
    charter = parse_charter(text, "domicile.toml", today=TODAY).charter
    assert charter.boundaries["us"].access.approvers == {}


@pytest.mark.parametrize(
    ("before", "after", "key_path", "message"),
    [
        ("approvals = 2", "approvals = 3", "approvals", "at most 2"),
        ("approvals = 2", "approvals = 0", "approvals", "greater than or equal to 1"),
        ("ann =", '"Ann Smith" =', "approvers.", "Ann Smith"),
        (f'"{ANN}"', "1", "approvers.ann", "text"),
        (ANN, ANN[:-2], "approvers.ann", "is no public key"),
        (ANN, ANN.replace("/a+", "/c+"), "approvers.ann", "does not fit its id"),
        (ANN, key("custodian.example/a", 31, 0x04), "approvers.ann", "of another kind"),
        (ANN, key("custodian.example/a", 31, 0x06), "approvers.ann", "of another kind"),
        (BO, key("custodian.example/b", 31, 0x01), "approvers.bo", "the same key as that of ann"),
        (BO, key("custodian.example/b", 11, 0x01), "approvers.bo", "boundaries.us.custodians"),
        (BO, key("custodian.example/b", 1, 0x01), "approvers.bo", "ledger.witnesses.one"),
    ],
)
def test_what_is_no_approver_is_refused_at_its_key(
    text: str, before: str, after: str, key_path: str, message: str
) -> None:
    assert before in SECTION
    said = refusal(text + LEDGER + CUSTODIANS + SECTION.replace(before, after, 1))
    assert f": boundaries.us.access.{key_path}" in said
    assert message in said


def test_a_list_of_names_is_refused_and_what_to_write_is_said(text: str) -> None:
    said = refusal(f'{text}\n[boundaries.us.access]\napprovers = ["ann", "bo"]\n')
    assert ": boundaries.us.access.approvers: " in said
    assert "a table" in said
