"""What holds for the whole house, whoever wrote which room."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "domicile"
MODULES = sorted(SOURCE.rglob("*.py"))
# Alembic runs its migrations itself, with a context that no import can give.
OURS = [path for path in MODULES if "migrations" not in path.parts]
FOLDERS = sorted({path.relative_to(SOURCE).parts[0] for path in MODULES})
LONGEST_MODULE_LINES = 400

# Pieced together, so that this file does not hold what it forbids.
MACHINE_PATHS = tuple(
    "/" + path for path in ("work/", "tmp/w/", "root/", "home/user", "opt/wheels")
)
REGISTRY_HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules(folder: str) -> list[Path]:
    """Of one folder (or the one module) of the house's first level."""
    found = [path for path in MODULES if path.relative_to(SOURCE).parts[0] == folder]
    assert found
    return found


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked_texts() -> list[tuple[str, str]]:
    """Every text that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    texts = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            data = path.read_bytes()
            if b"\0" not in data:
                texts.append((name, data.decode(errors="replace")))
    return texts


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_is_longer_than_a_sitting(folder: str) -> None:
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in modules(folder)}
    assert [relative(p) for p, number in lines.items() if number > LONGEST_MODULE_LINES] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_says_what_it_is_and_names_nothing_a_bag(folder: str) -> None:
    for path in modules(folder):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), relative(path)
        assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}


def public_definitions(tree: ast.Module) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_query_names_a_tables_rows_by_itself(folder: str) -> None:
    """Whether ONLY goes before a table is for `table_rows` to say, wherever its rows are meant."""
    for path in (path for path in modules(folder) if path in OURS):
        text = path.read_text(encoding="utf-8")
        by_hand = re.findall(r"Identifier\(\s*(\w[\w.]*)\.schema,\s*\1\.\w+,?\s*\)", text)
        assert by_hand == (["table"] if path.name == "selecting.py" else []), relative(path)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_imports_and_all_is_kept_honest(folder: str) -> None:
    for path in (path for path in modules(folder) if path in OURS):
        module = importlib.import_module(module_name(path))
        # A program that auditors read and run by itself is not there to be imported from.
        if path.parent.name != "outside":
            defined = public_definitions(ast.parse(path.read_text(encoding="utf-8")))
            assert unlisted(getattr(module, "__all__", None), module, defined) == [], relative(path)


def unlisted(exported: list[str] | None, module: ModuleType, defined: set[str]) -> list[str]:
    """What a module exports twice or doesn't have, and what is public in it and not exported."""
    names = exported or []
    twice = [name for name in set(names) if names.count(name) > 1]
    return (
        twice + [name for name in names if not hasattr(module, name)] + sorted(defined - set(names))
    )


def test_requirements_pin_with_hashes_and_name_no_address() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path.name
        assert "@" not in text, path.name
        options = re.findall(r"^\s*(--[a-z-]+)", text, re.MULTILINE)
        assert set(options) == {"--hash"}, path.name
        pins = re.split(r"\n(?=[A-Za-z])", re.sub(r"^\s*#.*\n?", "", text, flags=re.MULTILINE))
        for pin in filter(str.strip, pins):
            assert re.match(r"[A-Za-z0-9._-]+==\S+ ", pin), pin[:60]
            assert "--hash=sha256:" in pin, pin[:60]


def test_what_runs_is_pinned() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.findall(r'^ {4}"([a-z0-9-]+)(?:\[\w+\])?>=', project, re.MULTILINE)
    pinned = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    assert len(wanted) > 10
    assert not [name for name in wanted if f"\n{name}==" not in pinned]


def test_no_two_files_of_requirements_pin_different_versions() -> None:
    pins: dict[str, set[str]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE):
            pins.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{name}: {forbidden}"
        for name, text in tracked_texts()
        for forbidden in (*MACHINE_PATHS, *REGISTRY_HOSTS)
        if forbidden in text
    ]
    assert found == []


def test_the_pages_made_from_the_code_are_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
