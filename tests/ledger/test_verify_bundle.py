"""The stand-alone verifier, in a process of its own wherever that matters."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

import domicile.cli.kinds  # noqa: F401 - every kind that there is
from domicile.ledger import Body, Entry, FileDigest, FileSigner, encode
from domicile.ledger.bundle import FORMAT
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.entries import _BY_KIND
from domicile.ledger.keys import COSIGN_ED25519, COSIGN_MLDSA44
from domicile.ledger.merkle import leaf_hash, root_of
from domicile.ledger.outside import verify_bundle
from domicile.ledger.signing import sign_note
from domicile.scan.entries import ScanStarted
from tests.ledger.bundles import make_bundles as made

PROGRAM = Path(verify_bundle.__file__)
CASES = made.cases(json.loads(made.KEPT.read_bytes()))
OWN_KEY = FileSigner("example.org/seems-another", bytes([1] * 32), COSIGN_ED25519)
KINDS = {f"{k} {v}": body for (k, v), body in _BY_KIND.items() if not k.startswith("test.")}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tmp_path_factory.mktemp("keys")
    (directory / "log.vkey").write_text("".join(f"{signer.vkey}\n" for signer in made.LOG))
    witnesses = [word for witness in made.WITNESSES for word in ("--witness", witness.vkey)]
    return ["--key", str(directory / "log.vkey"), *witnesses, "--quorum", "3"]


def run(bundle: Path, *words: str) -> tuple[int, str]:
    """As an auditor runs it: the file by itself."""
    done = subprocess.run(
        [sys.executable, "-I", str(PROGRAM), str(bundle), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.returncode, done.stdout


def written(directory: Path, document: object) -> Path:
    path = directory / "bundle.json"
    path.write_bytes(made.written(document))
    return path


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_with_a_bundle_is_found_and_nothing_else(
    name: str, keys: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(CASES[name].data)
    ended = verify_bundle.main([str(path), *keys])
    shown = capsys.readouterr().out
    assert ended == CASES[name].ends, shown
    last = shown.splitlines()[-1]
    assert last.startswith("HOLDS" if CASES[name].ends == made.HOLDS else "BROKEN")
    assert [line for line in shown.splitlines() if CASES[name].says in line], shown
    assert shown.isascii()


def test_the_kept_bundle_is_what_is_still_written_today() -> None:
    kept = json.loads(made.KEPT.read_bytes())
    now = made.good()
    assert kept.pop("checkpoint").split("\n\n")[0] == now.pop("checkpoint").split("\n\n")[0]
    assert kept == now


def test_it_runs_by_itself_and_imports_nothing_of_ours(keys: list[str], tmp_path: Path) -> None:
    copy = Path(shutil.copy(PROGRAM, tmp_path / "v.py"))
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n    print([name for name in sys.modules if 'domicile' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy), str(made.KEPT), *keys],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_is_python_3_9_and_imports_the_standard_library_and_cryptography() -> None:
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_without_a_key_nothing_is_proven_and_that_is_said(tmp_path: Path) -> None:
    for document in (made.good(), made.bundle_of(made.story(), range(14), signers=made.FORGER)):
        code, shown = run(written(tmp_path, document))
        assert code == made.UNPROVEN
        assert shown.splitlines()[-1].startswith("UNPROVEN")
        assert "prove nothing about who signed" in shown


def test_a_broken_bundle_is_broken_without_a_key_too(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(CASES["an-entry-changed"].data)
    assert run(tmp_path / "b")[0] == made.BROKEN


def test_an_entry_left_out_of_an_open_question_is_not_seen_and_that_is_said(
    keys: list[str], tmp_path: Path
) -> None:
    document = made.good()
    del document["entries"][-1]
    code, shown = run(written(tmp_path, document), *keys)
    assert code == made.HOLDS
    assert "10 entries are in the tree: some of it" in shown
    assert "not that entries are true or, without --log, all there" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", made.LOG[0].vkey[:-1]], "no key of the kind"),
        (["--key", made.LOG[0].vkey.replace("ledger+", "ledgex+")], "mistyped, or forged"),
        (["--key", made.WITNESSES[0].vkey], "no key of the kind"),
        (["--key", "absent"], "No such file"),
        (["--key", made.LOG[0].vkey, "--witness", made.LOG[0].vkey], "no key of the kind"),
        (["--key", made.LOG[0].vkey, "--witness", made.ITS_OWN.vkey], "not its own witness"),
        (["--key", made.LOG[0].vkey, "--witness", OWN_KEY.vkey], "not its own witness"),
        (["--key", made.LOG[0].vkey, "--files", "."], ""),
        (["--key", made.LOG[1].vkey], ""),
    ],
)
def test_keys_that_cannot_be_used_leave_the_question_open_and_one_kind_is_enough(
    words: list[str], said: str
) -> None:
    code, shown = run(made.KEPT, *words)
    assert said in shown
    assert code == (made.UNPROVEN if said else made.HOLDS)


def test_a_witness_counts_once_whatever_it_is_called(tmp_path: Path) -> None:
    one = made.WITNESSES[0]
    twin = FileSigner("example.org/twin", bytes([3] * 32), COSIGN_ED25519)
    document = made.bundle_of(made.story(), range(14), signers=[*made.LOG, one, twin])
    words = ["--key", made.LOG[0].vkey, "--witness", one.vkey, "--witness", twin.vkey]
    path = written(tmp_path, document)
    assert run(path, *words, "--witness", one.vkey, "--quorum", "1")[0] == made.HOLDS
    assert run(path, *words, "--witness", one.vkey, "--quorum", "2")[0] == made.BROKEN


def test_a_witness_with_two_keys_counts_when_both_signed(tmp_path: Path) -> None:
    one = made.WITNESSES[0]
    lasting = FileSigner(one.name, bytes([3] * 32), COSIGN_MLDSA44)
    words = ["--key", made.LOG[0].vkey, "--witness", one.vkey, "--witness", lasting.vkey]
    for signers, ends in (([one], made.BROKEN), ([one, lasting], made.HOLDS)):
        document = made.bundle_of(made.story(), range(14), signers=[*made.LOG, *signers])
        assert run(written(tmp_path, document), *words, "--quorum", "1")[0] == ends


def test_where_ml_dsa_is_missing_it_is_said_to_be_not_checked(keys: list[str]) -> None:
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "sys.modules['cryptography.hazmat.primitives.asymmetric.mldsa'] = None\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )

    def end(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-c", code, str(PROGRAM), str(made.KEPT), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    ended, shown = end(*keys[:2])
    assert ended == made.HOLDS
    assert "NOT CHECKED  signed by example.com/ledger with ML-DSA-44" in shown
    ended, shown = end(*keys)
    assert ended == made.BROKEN  # one of three witnesses cannot be counted
    assert "NOT CHECKED  the signature of example.net/witness-3 with ML-DSA-44" in shown
    ended, shown = end("--key", made.LOG[1].vkey)
    assert ended == made.UNPROVEN
    assert "can be checked on this machine" in shown


def test_files_are_hashed_where_they_are_given(keys: list[str], tmp_path: Path) -> None:
    shards = [f"rows-messages-{number:05d}" for number in range(3)]
    for shard in shards[:2]:
        path = tmp_path / made.digest(shard).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.file_of(shard))
    code, shown = run(made.KEPT, *keys, "--files", str(tmp_path))
    assert code == made.HOLDS
    assert "NOT CHECKED  2 files are what entries say of them, 1 are not here (--files)" in shown
    (tmp_path / made.digest(shards[0]).path).write_bytes(b"other rows")
    code, shown = run(made.KEPT, *keys, "--files", str(tmp_path))
    assert code == made.BROKEN
    assert f"WRONG        the file {made.digest(shards[0]).path} is not what entry 3 says" in shown


def test_a_file_outside_the_directory_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in").mkdir()
    for path in ("../secret", str(tmp_path / "secret"), "a/../../secret"):
        entries = made.spelled([*made.charter(), made.verified("a")])
        entries[2] = entries[2].replace(made.digest("a").path.encode(), path.encode())
        document = made.bundle_of(entries, range(3))
        words = ["--key", made.LOG[0].vkey, "--files", str(tmp_path / "in")]
        code, shown = run(written(tmp_path, document), *words)
        assert code == made.HOLDS
        assert "NOT CHECKED  0 files are what entries say of them, 1 are not here" in shown


def test_a_text_in_an_entry_cannot_disguise_itself_as_a_verdict(tmp_path: Path) -> None:
    kind = "x 1\nHOLDS        all\x1b[2J\u202e"
    entry = json.dumps({"kind": kind, "version": 1, "body": {}, "charter": made.CHARTER}).encode()
    entries = [*made.spelled(made.charter()), entry]
    code, shown = run(written(tmp_path, made.bundle_of(entries, range(3), question={kind: kind})))
    assert code == made.UNPROVEN
    assert not [line for line in shown.splitlines() if line.startswith("HOLDS")]
    assert shown.isascii()
    assert "\x1b" not in shown


# The whole log.


def scans(count: int, tool: str) -> list[Body]:
    return [ScanStarted(f"run-{number}", "us", tool, ()) for number in range(count)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "ledger"
    made.append(directory, scans(698, "a"))
    return directory


def test_a_whole_log_is_read_and_its_root_recomputed(log: Path) -> None:
    code, shown = run(log, "--log", "--key", made.LOG[0].vkey)
    assert code == made.HOLDS, shown
    assert "ok           700 entries are in the tree: all of it" in shown


@pytest.mark.parametrize("fault", ["changed", "truncated", "missing"])
def test_an_entry_of_a_log_that_is_not_what_it_was_is_found(
    log: Path, tmp_path: Path, fault: str
) -> None:
    copy = Path(shutil.copytree(log, tmp_path / "copy"))
    path = copy / "tile/entries/001"
    if fault == "missing":
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        path.write_bytes(path.read_bytes().replace(b'"run-300"', b'"run-301"'))
    code, _ = run(copy, "--log", "--key", made.LOG[0].vkey)
    assert code == (made.UNPROVEN if fault == "missing" else made.BROKEN)


def test_a_kept_checkpoint_must_be_one_of_the_logs_history(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    made.append(one, scans(298, "a"))
    kept = Path(shutil.copy(one / "checkpoint", tmp_path / "kept"))
    made.append(one, scans(300, "b"))
    made.append(two, scans(598, "c"))
    words = ["--log", "--key", made.LOG[0].vkey, "--seen", str(kept)]
    assert run(one, *words)[0] == made.HOLDS
    code, shown = run(two, *words)
    assert code == made.BROKEN
    assert "WRONG        the first 300 entries are those that its checkpoint signs" in shown
    later = Path(shutil.copy(one / "checkpoint", tmp_path / "later"))
    shutil.copy(kept, one / "checkpoint")
    assert run(one, *words[:-1], str(later))[0] == made.BROKEN


def test_a_bundle_alone_does_not_tell_whether_it_extends_a_kept_checkpoint(
    keys: list[str], tmp_path: Path
) -> None:
    kept = made.bundle_of(made.story()[:10], [0])["checkpoint"]
    (tmp_path / "kept").write_text(kept)
    code, shown = run(made.KEPT, *keys, "--seen", str(tmp_path / "kept"))
    assert code == made.HOLDS
    assert "NOT CHECKED  the first 10 entries are those that its checkpoint signs" in shown


def test_a_kept_checkpoint_of_more_entries_than_there_are_is_another_history(
    keys: list[str], tmp_path: Path
) -> None:
    leaves = [leaf_hash(entry) for entry in made.story()]
    for root in (root_of(leaves), root_of(leaves[:1])):
        note = sign_note(Checkpoint(made.ORIGIN, 15, root).text, made.LOG, 1)
        (tmp_path / "kept").write_bytes(note.encode())
        document = made.bundle_of(made.story(), range(14), question={})
        for path in (written(tmp_path, document), made.KEPT):
            code, shown = run(path, *keys[:2], "--seen", str(tmp_path / "kept"))
            assert code == made.BROKEN, shown


# What it knows of entries.


def sample(kind: inspect.Type, field: str) -> st.SearchStrategy[Any]:
    """Values of a field, few enough to meet each other."""
    match kind:
        case inspect.StrType() | inspect.IntType():
            return _plain(kind, field)
        case inspect.VarTupleType():
            most = min(kind.max_length or 5, 5)
            item = sample(kind.item_type, field)
            return st.lists(item, min_size=kind.min_length or 0, max_size=most).map(tuple)
        case inspect.DictType():
            keys, values = sample(kind.key_type, field), sample(kind.value_type, field)
            return st.dictionaries(keys, values, max_size=3)
        case inspect.UnionType():
            return st.one_of(*(sample(one, field) for one in kind.types))
        case inspect.StructType():
            return _structs(kind)
        case _:
            return st.sampled_from(_values(kind))


def _values(kind: inspect.Type) -> Sequence[Any]:
    if isinstance(kind, inspect.LiteralType):
        return kind.values
    assert isinstance(kind, inspect.BoolType | inspect.NoneType), f"{kind} is yet to be thought of"
    return [False, True] if isinstance(kind, inspect.BoolType) else [None]


def _plain(kind: inspect.StrType | inspect.IntType, field: str) -> st.SearchStrategy[Any]:
    if isinstance(kind, inspect.StrType):
        return _texts(kind, field)
    return st.integers(int(kind.ge or 0), int(kind.ge or 0) + 3)


def _texts(kind: inspect.StrType, field: str) -> st.SearchStrategy[str]:
    if kind.pattern is None:
        return st.sampled_from([f"{field}-1", f"{field}-2"])
    if kind.pattern.startswith(r"^\d{4}"):
        return st.just("2026-03-01T00:00:00.000Z")
    if "0-9a-f]{64}" in kind.pattern:
        return st.sampled_from(["a" * 64, "b" * 64])
    return st.from_regex(re.compile(kind.pattern, re.ASCII))


def _structs(kind: inspect.StructType) -> st.SearchStrategy[Any]:
    if kind.cls is FileDigest:
        files = {"path": st.just("a"), "sha256": st.sampled_from(["a" * 64, "b" * 64])}
        return st.builds(FileDigest, **files, size_bytes=st.just(1))
    return st.builds(kind.cls, **{f.name: sample(f.type, f.name) for f in kind.fields})


def bodies(kind: type[Body]) -> st.SearchStrategy[Body]:
    fields = inspect.type_info(kind)
    assert isinstance(fields, inspect.StructType)
    return st.builds(
        kind, **{field.name: sample(field.type, field.name) for field in fields.fields}
    )


def test_it_knows_every_kind_of_entry() -> None:
    known = {*verify_bundle.CLAIMS, *verify_bundle.NO_CLAIMS}
    assert known == set(KINDS), "tell verify_bundle.py and verify_bundle.html of every kind"
    assert not set(verify_bundle.CLAIMS) & set(verify_bundle.NO_CLAIMS)
    assert verify_bundle.FORMAT == FORMAT


@pytest.mark.parametrize("kind", KINDS)
def test_its_table_of_claims_is_what_the_kinds_say_of_themselves(kind: str) -> None:
    requires, establishes = verify_bundle.CLAIMS.get(kind, ([], []))

    @given(bodies(KINDS[kind]))
    def compared(body: Body) -> None:
        fields = json.loads(encode(Entry(body, datetime(2026, 3, 1, tzinfo=UTC), "a" * 64)))
        assert verify_bundle.claims(requires, fields["body"]) == body.requires()
        assert verify_bundle.claims(establishes, fields["body"]) == body.establishes()

    compared()
