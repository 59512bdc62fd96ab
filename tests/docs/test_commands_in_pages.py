"""Each command line of the documentation is one that the parser takes."""

from __future__ import annotations

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from strandline.command_line import app
from strandline.option_defaults import without_project
from tests.docs.pages import PAGES, ROOT, fences, name_of, spans

SHELLS = ("sh", "console", "")
OURS = re.compile(r"(?:(?:\S*/)?strandline|uvx strandline)(?: |$)")
OPTIONS_OF_ALL = {"--help", "-h", "--version", "--install-completion", "--project", "--verbose"}
PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]*$|^\.\.\.$|[\[\]<>|]")
HISTORY = {"CHANGELOG.md"}
"""What names commands of the past."""


def command_lines(page: Path):
    """What is typed, by line: of consoles after `$`, of shells all, comments left out."""
    for code in fences(page):
        if code.language not in SHELLS:
            continue
        typed = code.text.replace("\\\n", " ")
        for line in typed.splitlines():
            prompt, _, rest = line.strip().partition("$ ")
            text = rest if not prompt else line.strip()
            if code.language == "console" and prompt:
                continue
            without_comment = re.sub(r"(^|\s)#.*", "", text)
            yield from (part.strip() for part in re.split(r"&&|; |\| ", without_comment))


def ours(page: Path):
    """The lines that call Strandline, as words after its name."""
    for line in command_lines(page):
        if OURS.match(line) and not is_prose(line):
            yield words_of(line)


def words_of(line: str) -> tuple[str, ...]:
    words = shlex.split(line, comments=True)
    return tuple(words[2:] if words[0] == "uvx" else words[1:])


def is_prose(line: str) -> bool:
    """A line of a synopsis: what may be left out, or three spaces and what the command is for."""
    return bool(re.search(r"\S {3,}\S|\[[A-Z]|[A-Z]\|", line))


@cache
def problem(typed: tuple[str, ...]) -> str:
    """What is wrong with a whole command line; "" where nothing is."""
    typed = tuple(without_project(typed) if "--project" in typed else typed)
    if {*typed} & OPTIONS_OF_ALL or not typed:
        return mistake(typed)
    try:
        app.parse_args(list(typed), print_error=False, exit_on_error=False)
    except CycloptsError as error:
        return str(error)
    return ""


@cache
def mistake(typed: tuple[str, ...]) -> str:
    """What is wrong with a command that a sentence names, whose arguments may be left out."""
    command = [word for word in typed if not word.startswith("-")]
    chain, apps, rest = app.parse_commands(command)
    found = apps[-1]
    if not chain and command and not PLACEHOLDER.search(command[0]):
        return f"no command {command[0]}"
    if rest and found.default_command is None and not PLACEHOLDER.search(rest[0]) and chain:
        return f"no command {' '.join(chain)} {rest[0]}"
    known = {name for each in apps for name in options_of(each)} | OPTIONS_OF_ALL
    typed_options = {word.partition("=")[0] for word in typed if re.match(r"--?[a-z]", word)}
    return f"no option {sorted(typed_options - known)}" if typed_options - known else ""


def options_of(command) -> set[str]:
    if command.default_command is None:
        return set()
    return {name for each in command.assemble_argument_collection() for name in each.names}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in HISTORY], ids=name_of)
def test_each_command_line_can_be_typed(page):
    wrong = {" ".join(typed): problem(typed) for typed in ours(page)}

    assert {typed: said for typed, said in wrong.items() if said} == {}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in HISTORY], ids=name_of)
def test_each_command_that_a_sentence_names_is_there_with_its_options(page):
    named = {words_of(" ".join(c.text.split())) for c in spans(page) if OURS.match(c.text)}
    wrong = {" ".join(typed): mistake(typed) for typed in named}

    assert {typed: said for typed, said in wrong.items() if said} == {}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_task_of_make_and_each_module_that_is_run_is_there(page):
    lines = [*command_lines(page), *(code.text for code in spans(page))]
    tasks = {found[1] for line in lines if (found := re.match(r"make ([a-z-]+)", line))}
    text = page.read_text(encoding="utf-8")
    modules = {*re.findall(r"python -m ((?:tools|demo|benchmarks|tests)[.\w]*\w)", text)}

    assert {task for task in tasks if not task_is_there(task)} == set()
    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()


def task_is_there(task: str) -> bool:
    if (ROOT / "benchmarks" / task.removeprefix("bench-")).is_dir():
        return True
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return bool(re.search(rf"^{task}:", makefile, re.MULTILINE))


def listed_commands():
    """The commands of the list with which the page of the command line begins."""
    synopsis = next(fences(ROOT / "docs" / "command-line.md")).text
    for line in synopsis.splitlines():
        if found := re.match(r"strandline ((?:[a-z][a-z-]* ?)+?)(?= {2,}| [^a-z]|$)", line):
            yield found[1].strip()


def commands_below(group, path=()):
    for name in group:
        if not name.startswith("-"):
            below = [*commands_below(group[name], (*path, name))]
            yield from below or [" ".join((*path, name))]


def test_the_list_of_commands_has_each_command_and_no_other():
    listed = {*listed_commands()}
    short = {"quarantine show", "source status", "audit show", "backup make"}

    assert {*commands_below(app)} == {*listed - {"quarantine", "source", "audit", "backup"}, *short}


def test_every_command_answers_programs_but_those_that_print_a_document():
    without = [
        command
        for command in commands_below(app)
        if "--json" not in options_of(app.parse_commands(command.split())[1][-1])
    ]

    assert without == ["contracts schema", "contracts pandera"]


def test_many_command_lines_are_found():
    found = {typed for page in PAGES for typed in ours(page)}

    assert len(found) > 80
    assert {typed[0] for typed in found} >= {"run", "plan", "undo", "release", "keys"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("rum customers", "rum"),
        ("run customers --ful", "--ful"),
        ("quarantine fixx customers --key 1 --reason typo", ""),
        ("undo customers --reason typo", "--batch"),
        ("release start customers --reason next", "--contract"),
        ("keys rotated", "rotated"),
    ],
)
def test_a_command_that_is_not_there_is_found(typed, said):
    found = problem(tuple(typed.split()))

    assert found
    assert said in found
