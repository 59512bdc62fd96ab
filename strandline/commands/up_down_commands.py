"""`strandline up` and `strandline down`: the local stack, and where to look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.start_stop import RunningStack, StoppedStack, down, up
from deployments.server_setup.read_prefect_yaml import Project
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many
from strandline.terminal.text_table import Cell, facts

USUAL_STATE = Path(".strandline")


def start(screen: CommandOutput, file: Path, state_directory: Path, port: int | None) -> None:
    """Start what does not run yet, and print where to look."""
    paths = StackPaths.below(state_directory)
    stack = up(Project.read(file), paths, port=port, doing=_steps(screen))
    data = {
        "url": stack.url,
        "environment": str(paths.environment),
        "started": stack.started,
        "members": stack.members,
        "crashed": stack.crashed,
    }
    screen.answer(data, *_up_page(stack, paths, state_directory))


def stop(screen: CommandOutput, state_directory: Path) -> None:
    """End all of it, and print what was ended."""
    ended = down(StackPaths.below(state_directory), _steps(screen))
    screen.answer(ended, *_down_page(ended))


def _steps(screen: CommandOutput) -> Callable[[str], AbstractContextManager[object]]:
    """Show each step while it runs, and print a line with its seconds when it is done."""

    @contextmanager
    def step(text: str) -> Iterator[None]:
        began = time.monotonic()
        with screen.waiting(text):
            yield
        screen.log(f"{text}  {time.monotonic() - began:.1f} s")

    return step


def _up_page(stack: RunningStack, paths: StackPaths, state_directory: Path) -> list[RenderableType]:
    state = "started" if stack.started else "runs already"
    login = (
        f'where the page asks for "admin:pass", paste what {_short(paths.login)} has: a user and a '
        "password, as one line"
    )
    pairs: list[tuple[str, Cell]] = [
        ("pages", Text(stack.url, no_wrap=True)),
        ("login", login),
        *(
            (each.name, f"process {each.identity.pid}, {_how(each.name, stack)}")
            for each in stack.members
        ),
        ("logs", _short(paths.root)),
    ]
    parts: list[RenderableType] = [Text(f"The local stack {state}", "bold green"), facts(pairs)]
    if stack.crashed:
        parts.append(_crashed(stack.crashed))
    more = "" if state_directory == USUAL_STATE else f" --state {state_directory}"
    parts.append(Text("Type next", "bold"))
    parts += [
        Text(f"  {line}", no_wrap=True)
        for line in (
            f"strandline deploy{more}",
            f". {_short(paths.environment)}   # lets prefect find the server",
            "prefect deployment run load-tables/all --watch   # loads all tables",
            f"strandline down{more}",
        )
    ]
    return parts


def _how(name: str, stack: RunningStack) -> str:
    return "started now" if name in stack.started else "ran before"


def _down_page(ended: StoppedStack) -> list[RenderableType]:
    if not ended.anything:
        return [Text("Nothing runs", "dim")]
    pairs = [
        *ended.members.items(),
        *((name, "had ended before") for name in ended.gone),
    ]
    if ended.others:
        pairs.append(("of runs", f"{ended.others} ended"))
    pairs += [("PostgreSQL", f"{each}, ended") for each in ended.postgres]
    parts: list[RenderableType] = [Text("The local stack is down", "bold"), facts(pairs)]
    if ended.crashed:
        parts.append(_crashed(ended.crashed))
    return parts


def _crashed(runs: tuple[str, ...] | list[str]) -> Text:
    return Text(f"{many(len(runs), 'run')} did not end and is told Crashed: {', '.join(runs)}")


def _short(path: Path) -> str:
    """Relative to where the command runs, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
