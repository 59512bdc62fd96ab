from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("contracts", "history", "blocks", "tasks", "flows", "deployments", "strandline", "demo")
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
EMPTY_WORDS = {
    "utils", "util", "utilities", "helpers", "helper", "manager", "managers", "handler",
    "processor", "enhanced", "advanced", "common", "misc", "new", "final", "v2", "old", "stuff",
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_imports_run_one_way_through_the_layers():
    # A process of its own: import-linter keeps its graph and its console for the process's life.
    outcome = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "0 broken" in outcome.stdout


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_named_by_an_empty_word(path: Path):
    words = {word for part in path.relative_to(ROOT).parts for word in re.split(r"[_.]", part)}

    assert not words & EMPTY_WORDS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_module_says_what_it_is_for(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("layer", LAYERS)
def test_every_folder_with_modules_is_a_package(layer: str):
    folders = {path.parent for path in (ROOT / layer).rglob("*.py")}

    assert folders
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_locked_requirement_has_hashes_and_no_host_is_named():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]

    assert len(entries) > 100
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|git\+", text)


def test_the_lock_knows_every_dependency_of_the_project():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[<>=]", line)[0].lower().replace("_", "-") for line in wanted}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert names - set(re.findall(r"^([a-z0-9.-]+)==", lock, flags=re.MULTILINE)) == set()


def test_every_decision_is_listed_and_every_listed_decision_is_there():
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = {path.name for path in folder.glob("[0-9]*.md")}

    assert records == set(re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", index))
    assert sorted(int(name[:4]) for name in records) == list(range(1, len(records) + 1))
    for name in records:
        text = (folder / name).read_text(encoding="utf-8")
        assert [
            part for part in ("Context", "Decision", "Consequences") if f"\n## {part}\n" not in text
        ] == [], name
