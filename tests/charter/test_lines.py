from __future__ import annotations

import tomllib
from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from domicile.charter.lines import KeyPath, line_of, scan_lines

TEXT = '''\
# a comment with [brackets] and "quotes"
top = 1
[a]  # header
b.c = "x" # dotted
"quoted.key" = 'it''s'
"esc\\u0041pe" = 2
text = """
[not.a.table]
no = "key"
\\""" still text """"
raw = \'\'\'
[neither]
\'\'\'
inline = { x = 1, "y z" = [1, { deep = 2 }] }
list = [
  "one",  # [
  # two
  "three",
]
[ "d e" . f ]
g = 2026-01-01 00:00:00
[[h]]
i = 1
[[h]]
i = 2
[h.j]
k = [[1], [2]]
last = true'''.replace("'it''s'", "'its'")


def test_every_key_is_on_its_line() -> None:
    tomllib.loads(TEXT)
    lines = scan_lines(TEXT)
    rows = list(enumerate(TEXT.splitlines(), 1))
    at = {row.split(" ")[0]: number for number, row in reversed(rows)}
    assert lines["top",] == 2
    assert lines["a",] == 3
    assert lines["a", "b", "c"] == at["b.c"]
    assert lines["a", "quoted.key"] == at['"quoted.key"']
    assert lines["a", "escApe"] == 6
    assert lines["a", "raw"] == at["raw"]
    inline = at["inline"]
    assert lines["a", "inline", "y z", 1, "deep"] == inline
    assert lines["a", "list", 1] == at["list"] + 3
    assert lines["d e", "f", "g"] == at["g"]
    assert lines["h", 0, "i"] == at["i"]
    assert lines["h", 1, "i"] == at["i"] + 2
    assert lines["h", 1, "j", "k", 1, 0] == at["k"]
    assert lines["h", 1, "j", "last"] == len(TEXT.splitlines())
    assert ("not",) not in lines
    assert ("neither",) not in lines


def test_a_missing_key_is_where_its_table_is() -> None:
    lines = scan_lines("[a]\n\n[b]\nc = 1\n")
    assert line_of(lines, ("b", "nothing", 3)) == 3
    assert line_of(lines, ("nothing",)) == 1


def test_line_ends_of_windows_count_once() -> None:
    assert scan_lines("a = 1\r\nb = 2\r\n")["b",] == 2


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)


def _quote(text: str) -> str:
    kept = (c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(kept) + '"'


VALUES = st.recursive(
    st.one_of(
        st.integers(),
        st.booleans(),
        st.dates(min_value=date(1000, 1, 1)),
        WORDS,
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list):
        return "[\n" + ",\n# ]}\n".join(map(_toml, value)) + "\n]"
    if isinstance(value, dict):
        pairs = (f"{_quote(key)} = {_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    return str(value)


def _paths(value: object, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    if isinstance(value, dict):
        return found.union(*(_paths(item, (*path, key)) for key, item in value.items()))
    if isinstance(value, list):
        return found.union(*(_paths(item, (*path, at)) for at, item in enumerate(value)))
    return found


@given(st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES, max_size=3), max_size=3))
@example({"": {"": [[], {}]}})
def test_every_path_that_tomllib_reads_has_a_line(tables: dict[str, dict[str, object]]) -> None:
    text = "".join(
        f"[{_quote(name)}]\n" + "".join(f"{_quote(k)} = {_toml(v)}\n" for k, v in table.items())
        for name, table in tables.items()
    )
    lines = scan_lines(text)
    assert set(lines) == _paths(tomllib.loads(text))
    rows = text.splitlines()
    for name in tables:
        assert rows[lines[name,] - 1] == f"[{_quote(name)}]"
