"""Lists of persons: what they may hold, and that nobody in them is repeated in an error."""

from __future__ import annotations

import pytest

from domicile.errors import UsageError
from domicile.people import listed_persons, person_text


def test_each_person_has_the_number_of_their_first_line() -> None:
    lines = [b"\xef\xbb\xbfanna\r\n", b"\n", b"ben\n", b"anna\n", b" ben"]
    assert listed_persons(lines, ["id"]) == {"anna": 1, "ben": 3, " ben": 5}


def test_composite_keys_are_arrays_however_they_are_spelled() -> None:
    lines = [b'["7", "eu"]\n', b'[ "7","eu" ]\n', '["8","ä"]'.encode()]
    assert listed_persons(lines, ["id", "region"]) == {
        person_text(["7", "eu"]): 1,
        person_text(["8", "ä"]): 3,
    }


@pytest.mark.parametrize(
    "line", [b"7", b'["7"]', b'["7","eu","x"]', b'["7",1]', b'{"7":"eu"}', b"[" * 3000, b"\xff"]
)
def test_what_is_no_composite_key_is_told_by_its_line(line: bytes) -> None:
    with pytest.raises(UsageError, match="lines 2 of the list hold no person's key") as refused:
        listed_persons([b'["7","eu"]', line], ["id", "region"])
    assert line.decode(errors="replace") not in str(refused.value).replace("lines 2", "")


def test_many_bad_lines_are_counted() -> None:
    with pytest.raises(UsageError, match=r"lines 1, 2, .*, 10 and 5 more of the list"):
        listed_persons([b"\xff\n"] * 15, ["id"])


def test_a_line_without_end_is_no_person() -> None:
    with pytest.raises(UsageError, match="lines 1"):
        listed_persons([b"x" * 10_000], ["id"])
