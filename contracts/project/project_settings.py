"""The settings of a command that no argument of it says, and where each comes from.

Promise: one order for all of them: what was typed, the environment, the project's file, the user's
file, the default. A path in a file is relative to that file's project, not to where one stands.

The project's folder is the nearest one, from where one stands upwards, with a `strandline.yaml`;
without one it is where one stands. That file, and the user's own, map names to values::

    blocks: blocks.yaml      # the file of blocks
    settings: default        # the name of the run settings
    state: .strandline       # locks, logs, reports, the local stack
    alerts: alerts.yaml      # the alert file
    java: fetch              # fetch a Java where none is installed
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import yaml

from contracts.errors import SettingsError

__all__ = [
    "DEMO_BLOCKS",
    "PROJECT_FILE",
    "SETTINGS",
    "Setting",
    "block_file",
    "choose_project",
    "find_setting",
    "has_own_blocks",
    "is_left_by_demo",
    "project_folder",
    "user_file",
]

PROJECT_FILE = "strandline.yaml"
"""The file that marks a project's folder."""

PROJECT_VARIABLE = "STRANDLINE_PROJECT"
"""Names the project's folder; if set, none is looked for."""

DEMO_BLOCKS = Path(".strandline/blocks.yaml")
"""Where `make demo` leaves its blocks, below the project's folder; found last."""

_BLOCKS = "blocks.yaml"
_OPTION = "--project"
_DEFAULT = "default"
_LEFT = f"found, as there is no {_BLOCKS}"

Kind = Literal["path", "name"]


@dataclass(frozen=True, slots=True)
class Known:
    """A setting that there is.

    Attributes:
        variable: Its environment variable.
        kind: A path is relative to the folder of the file that has it.
        usual: Its default; a path is below the project's folder. Empty: none.
        values: The only values that it may have; empty: any.
        about: What it is, in words.
    """

    variable: str
    kind: Kind
    usual: str
    about: str
    values: tuple[str, ...] = ()


SETTINGS: Mapping[str, Known] = MappingProxyType(
    {
        "blocks": Known("STRANDLINE_BLOCKS", "path", _BLOCKS, "the file of blocks"),
        "settings": Known("STRANDLINE_SETTINGS", "name", "default", "the run settings"),
        "state": Known("STRANDLINE_STATE", "path", ".strandline", "locks, logs, the local stack"),
        "alerts": Known("STRANDLINE_ALERTS", "path", "", "the alert file"),
        "java": Known(
            "STRANDLINE_JAVA",
            "name",
            "installed",
            "whether a Java may be fetched",
            ("installed", "fetch"),
        ),
    }
)
"""Every setting, by its name in the files."""

_chosen: list[Path] = []


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it was found.

    Attributes:
        name: Its name.
        value: Its value; a path is absolute, or as it was typed. Empty: it has none.
        origin: What says so: a variable, a file, an option, 'default'.
    """

    name: str
    value: str
    origin: str

    @property
    def is_default(self) -> bool:
        """Whether nothing says it."""
        return self.origin == _DEFAULT

    @property
    def path(self) -> Path:
        """Its value as a path."""
        return Path(self.value).expanduser()


def choose_project(folder: Path) -> None:
    """Work in the project of this folder, whatever the environment says: `--project`.

    Processes that this one starts get it by the environment.

    Raises:
        SettingsError: There is no such folder.
    """
    if not folder.expanduser().is_dir():
        raise SettingsError(
            where=f"{_OPTION} {folder}",
            expected="the folder of a project",
            found="no such folder",
            next_step=f"Correct it, or make one: strandline init {folder}",
        )
    _chosen[:] = [folder.expanduser().absolute()]
    os.environ[PROJECT_VARIABLE] = str(_chosen[0])


def project_folder() -> tuple[Path, str]:
    """The project's folder, and what says so.

    Raises:
        SettingsError: The variable names no folder.
    """
    named = os.environ.get(PROJECT_VARIABLE)
    if named:
        folder = Path(named).expanduser().absolute()
        if not folder.is_dir():
            raise SettingsError(
                where=f"environment {PROJECT_VARIABLE}",
                expected="the folder of a project",
                found=f"no folder {folder}",
                next_step=f"Correct it, or unset {PROJECT_VARIABLE}.",
            )
        chosen = bool(_chosen) and _chosen[0] == folder
        return folder, f"option {_OPTION}" if chosen else f"environment {PROJECT_VARIABLE}"
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder, f"the nearest {PROJECT_FILE}"
    return here, f"where you are: no {PROJECT_FILE} here or above"


def user_file() -> Path:
    """The user's own file of settings, of all projects."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "strandline" / PROJECT_FILE


def find_setting(name: str) -> Setting:
    """A setting's value, and what says so.

    Raises:
        SettingsError: A file is wrong, or the value is none that the setting may have.
    """
    known = SETTINGS[name]
    found = _named(name, known)
    if known.values and found.value not in known.values:
        raise SettingsError(
            where=f"setting {name}, {found.origin}",
            expected=f"one of {', '.join(known.values)}",
            found="something else",
            next_step="Correct it; strandline config shows all settings.",
        )
    return found


def block_file() -> Setting:
    """The file of blocks; without a value where there is none, and no setting names one.

    Below the project's folder it is blocks.yaml, else what the demo has left.
    """
    found = find_setting("blocks")
    if not found.is_default or found.path.exists():
        return found
    folder, _ = project_folder()
    left = folder / DEMO_BLOCKS
    if left.exists():
        return Setting("blocks", str(left), _LEFT)
    return Setting("blocks", "", _DEFAULT)


def has_own_blocks() -> bool:
    """Whether there is a file of blocks that is not what the demo has left."""
    return bool(block_file().value) and not is_left_by_demo()


def is_left_by_demo() -> bool:
    """Whether the file of blocks is what the demo has left, for want of another."""
    return block_file().origin == _LEFT


def _named(name: str, known: Known) -> Setting:
    value = os.environ.get(known.variable)
    if value:
        return Setting(name, value, f"environment {known.variable}")
    folder, _ = project_folder()
    for file in (folder / PROJECT_FILE, user_file()):
        written = _content(file).get(name)
        if written is not None:
            path = known.kind == "path"
            value = str(file.parent / Path(written).expanduser()) if path else written
            return Setting(name, value, str(file))
    usual = str(folder / known.usual) if known.kind == "path" and known.usual else known.usual
    return Setting(name, usual, _DEFAULT)


def _content(file: Path) -> Mapping[str, str]:
    try:
        written = file.stat().st_mtime_ns
    except OSError:
        return {}
    return _read(file, written)


@lru_cache(maxsize=16)
def _read(file: Path, written: int) -> Mapping[str, str]:
    """The settings in a file; `written` is when, so that a change of it is seen."""
    del written
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"a mistake in line {mark.line + 1}" if mark else "a mistake"
        raise _wrong(file, "YAML", line) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, "a file that can be read", type(error).__name__) from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise _wrong(file, f"a map of {', '.join(SETTINGS)}", "something else")
    unknown = sorted(str(name) for name in content if name not in SETTINGS)
    if unknown:
        raise _wrong(file, f"a map of {', '.join(SETTINGS)}", f"unknown: {', '.join(unknown)}")
    odd = sorted(name for name, value in content.items() if not (isinstance(value, str) and value))
    if odd:
        raise _wrong(file, "a text for each setting", f"none for {', '.join(odd)}")
    return content


def _wrong(file: Path, expected: str, found: str) -> SettingsError:
    return SettingsError(
        where=f"settings file {file}",
        expected=expected,
        found=found,
        next_step="Correct the file.",
    )
