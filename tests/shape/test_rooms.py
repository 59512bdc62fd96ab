"""What makes the rooms of the house findable: docstrings, sizes, names, faces, and the maps."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("contracts", "history", "blocks", "tasks", "flows", "deployments", "strandline", "demo")
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
ROOMS = sorted({path.parent for path in MODULES})
MOST_MODULES, MOST_LINES = 14, 470
SAME_THING = {"upkeep.py": "the flow and the step of one thing"}
"""File names that occur twice and mean the same."""
PRIVATE_WORDS = {
    "held", "knowing", "learned", "reach", "fit", "patience", "leash", "guardian", "farewell",
    "handoff", "faults", "opening", "pauses", "scratch", "sweep", "mending", "holding",
    "told", "met", "asked", "sent", "placed", "laid", "surveyed", "teaches", "unaware", "passing",
}  # fmt: skip
"""Words that nobody can look up, and what files and public functions were called once."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_says_what_belongs_there(room: Path):
    assert ast.get_docstring(tree_of(room / "__init__.py"))


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_can_be_taken_in_at_a_glance(room: Path):
    assert len([path for path in room.glob("*.py") if path.name != "__init__.py"]) <= MOST_MODULES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_sitting(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_two_modules_have_one_name():
    places = defaultdict(list)
    for path in MODULES:
        if path.name not in ("__init__.py", "__main__.py", *SAME_THING):
            places[path.name].append(name_of(path))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_names_of_modules_and_public_functions_can_be_looked_up(path: Path):
    names = {
        node.name.lower()
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }

    assert PRIVATE_WORDS & {*names, path.stem, *path.stem.split("_")} == set()


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_the_face_of_a_room_is_what_it_hands_on(room: Path):
    tree = tree_of(room / "__init__.py")
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    others = [
        node
        for node in tree.body
        if not isinstance(node, ast.ImportFrom | ast.Assign)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]

    assert others == []
    if imported:
        module = importlib.import_module(name_of(room).replace("/", "."))
        assert {*module.__all__} == imported


def test_no_module_reaches_for_what_another_one_keeps_to_itself():
    reached = [
        f"{name_of(path)}: {alias.name} of {node.module}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LAYERS
        for alias in node.names
        if alias.name.startswith("_")
    ]

    assert reached == []


def test_the_picture_of_the_architecture_is_that_of_the_imports():
    outcome = subprocess.run(
        [sys.executable, "-m", "tools.draw_architecture", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr


def test_where_is_what_answers_many_questions():
    text = (ROOT / "docs" / "where-is-what.md").read_text(encoding="utf-8")

    assert len(re.findall(r"^\| .+\? \| \[", text, re.MULTILINE)) >= 36


PAGES_OF_TODAY = sorted({*(ROOT / "docs").rglob("*.md")} - {*(ROOT / "docs/decisions").glob("*")})
PLACE = re.compile(rf"`((?:{'|'.join(LAYERS)})(?:\.[A-Za-z_]\w*)+)(?:\(.*?\))?`")


@pytest.mark.parametrize(
    "path",
    [*MODULES, *PAGES_OF_TODAY, ROOT / "CONTRIBUTING.md"],
    ids=name_of,
)
def test_what_a_text_refers_to_is_there(path: Path):
    named = PLACE.findall(path.read_text(encoding="utf-8"))

    assert [name for name in named if not is_label(name) and not is_there(name)] == []


def is_label(name: str) -> bool:
    """Whether it is the name of an event or of a table property: those begin like a module."""
    first, second, *_ = name.split(".")
    place = ROOT / first / second
    return first == "strandline" and not (place.is_dir() or place.with_suffix(".py").is_file())


def is_there(name: str) -> bool:
    """Whether there is a module of that name, or something of that name in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        if place.is_dir() or place.with_suffix(".py").is_file():
            rest = parts[count:]
            if not rest:
                return True
            found = importlib.import_module(".".join(parts[:count]))
            for part in rest:
                if not hasattr(found, part):
                    return part in getattr(found, "__dataclass_fields__", {})
                found = getattr(found, part)
            return True
    return False
