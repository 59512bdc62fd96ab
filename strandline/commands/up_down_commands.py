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
    """Start what does not run yet, and say where to look."""
    places = StackPaths.below(state_directory)
    standing = up(Project.read(file), places, port=port, doing=_steps(screen))
    data = {
        "url": standing.url,
        "environment": str(places.environment),
        "started": standing.started,
        "members": standing.members,
        "crashed": standing.crashed,
    }
    screen.answer(data, *_standing(standing, places, state_directory))


def stop(screen: CommandOutput, state_directory: Path) -> None:
    """End all of it, and say what was ended."""
    ended = down(StackPaths.below(state_directory), _steps(screen))
    screen.answer(ended, *_ended(ended))


def _steps(screen: CommandOutput) -> Callable[[str], AbstractContextManager[object]]:
    """Each step is shown while it goes on, and is a line with its seconds when it is done."""

    @contextmanager
    def step(text: str) -> Iterator[None]:
        began = time.monotonic()
        with screen.waiting(text):
            yield
        screen.log(f"{text}  {time.monotonic() - began:.1f} s")

    return step


def _standing(
    standing: RunningStack, places: StackPaths, state_directory: Path
) -> list[RenderableType]:
    told = "started" if standing.started else "runs already"
    pairs: list[tuple[str, Cell]] = [
        ("pages", Text(standing.url, no_wrap=True)),
        ("login", f"the second line of {_short(places.environment)}, after the sign ="),
        *(
            (each.name, f"process {each.identity.pid}, {_how(each.name, standing)}")
            for each in standing.members
        ),
        ("logs", _short(places.root)),
    ]
    parts: list[RenderableType] = [Text(f"The local stack {told}", "bold green"), facts(pairs)]
    if standing.crashed:
        parts.append(_crashed(standing.crashed))
    more = "" if state_directory == USUAL_STATE else f" --state {state_directory}"
    parts.append(Text("Type next", "bold"))
    parts += [
        Text(f"  {line}", no_wrap=True)
        for line in (
            f"strandline deploy{more}",
            f". {_short(places.environment)}   # lets prefect find the server",
            "prefect deployment run load-tables/all --watch   # on a Spark cluster of its own",
            f"strandline down{more}",
        )
    ]
    return parts


def _how(name: str, standing: RunningStack) -> str:
    return "started now" if name in standing.started else "ran before"


def _ended(ended: StoppedStack) -> list[RenderableType]:
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
