"""Options that nobody typed, filled from the environment, the project's file and the user's file.

`contracts.project.project_settings` has the order. What is typed goes before all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, ArgumentCollection, Token

from contracts.errors import UsageError
from contracts.project.project_settings import choose_project, find_setting, project_folder

__all__ = ["fill_options", "without_project"]

_PROJECT = "--project"
_FILE, _STATE, _SETTINGS = "--file", "--state", "--settings"
_PREFECT_FILE = "prefect.yaml"
_OF_PREFECT_FILE = (("up",), ("deploy",))
"""Commands whose `--file` is that one."""


def without_project(typed: Sequence[str]) -> list[str]:
    """What was typed but for `--project FOLDER`, which is obeyed.

    Raises:
        UsageError: No folder follows.
        SettingsError: It is none.
    """
    rest: list[str] = []
    words = iter(typed)
    for word in words:
        if word == "--":
            return [*rest, word, *words]
        name, mark, value = word.partition("=")
        if name != _PROJECT:
            rest.append(word)
            continue
        folder = value if mark else next(words, "")
        if not folder:
            raise UsageError(
                where=f"strandline {_PROJECT}",
                expected="the folder of a project",
                found="nothing",
                next_step=f"strandline {_PROJECT} FOLDER COMMAND",
            )
        choose_project(Path(folder))
    return rest


def fill_options(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Give `--settings`, `--state` and `--file` of any command what the settings say."""
    del app
    options = {_STATE, _SETTINGS}
    if commands[:1] in _OF_PREFECT_FILE:
        options.add(_FILE)
    for argument in arguments:
        if argument.tokens or argument.name not in options:
            continue
        value, origin = _value(argument.name)
        if value:
            argument.append(Token(keyword=argument.name, value=value, source=origin))


def _value(option: str) -> tuple[str, str]:
    """What the option is where nobody types it, and what says so; empty: the command's default."""
    if option == _FILE:
        folder, origin = project_folder()
        file = folder / _PREFECT_FILE
        return (str(file), origin) if folder != Path.cwd() else ("", "")
    found = find_setting(option.removeprefix("--"))
    if found.is_default and (option != _STATE or found.path.parent == Path.cwd()):
        return "", ""
    return found.value, found.origin
