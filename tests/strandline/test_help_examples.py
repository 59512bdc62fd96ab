"""Each command has an example in its help, which can be typed as it is."""

from __future__ import annotations

import json
import shlex

import pytest

from strandline.command_line import app, main
from strandline.help_examples import EXAMPLES


def commands_below(group, path=()):
    for name in group:
        if name.startswith("-"):
            continue
        yield " ".join((*path, name))
        yield from commands_below(group[name], (*path, name))


def test_every_command_has_an_example_and_every_example_a_command():
    assert {*EXAMPLES} == {*commands_below(app)}


@pytest.mark.parametrize("command", EXAMPLES)
def test_an_example_is_one_of_its_command_and_parses(command):
    typed = shlex.split(EXAMPLES[command])
    chain, _, rest = app.parse_commands(typed)
    function, bound, _ = app.parse_args(typed, print_error=False, exit_on_error=False)

    assert " ".join(chain).startswith(command)
    assert callable(function)
    assert bool(bound.arguments) == bool(rest)


@pytest.mark.parametrize("command", ["plan", "quarantine fix", "keys", "contracts show"])
def test_the_help_of_a_command_ends_with_its_example(capsys, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")

    assert main([*command.split(), "--help"]) == 0

    assert capsys.readouterr().out.rstrip().endswith(f"Example: strandline {EXAMPLES[command]}")


@pytest.mark.parametrize("command", ["contracts check", "contracts schema", "config"])
def test_an_example_that_needs_no_lakehouse_runs(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert main(shlex.split(EXAMPLES[command])) == 0

    told = capsys.readouterr().out
    if command == "contracts schema":
        assert json.loads(told)["$defs"]
    else:
        assert told
