"""`strandline deploy`: set up a Prefect server from nothing, and print what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from prefect.settings import PREFECT_API_URL
from rich.console import RenderableType
from rich.text import Text

from deployments.local_stack.prefect_api_health import local_stack
from deployments.server_setup.prefect_cloud import CLOUD_ONLY
from deployments.server_setup.prefect_server import connected, is_cloud
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.setup_stages import deploy
from deployments.server_setup.stage_result import Outcome, State
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many
from strandline.terminal.text_table import Heading, facts, text_table

_HEADINGS = (
    Heading("kind"),
    Heading("name"),
    Heading("state"),
    Heading("note", prose=True),
    Heading("id", spare=True),
)
_STYLES = {
    State.MADE: "green",
    State.CHANGED: "yellow",
    State.UNCHANGED: "dim",
    State.LEFT: "yellow",
    State.MISSING: "bold red",
}


def deploy_all(screen: CommandOutput, file: Path, state_directory: Path) -> int:
    """Deploy the project of that `prefect.yaml`; the exit code is 78 where something is missing."""
    project = Project.read(file)
    outcomes: list[Outcome] = []
    with local_stack(state_directory), connected() as client, screen.waiting("Deploying") as status:

        def show_stage(stage: str) -> None:
            if status is not None and not screen.as_json:
                status.update(stage)

        url, cloud = str(PREFECT_API_URL.value()), is_cloud(client)
        outcomes += deploy(project, client, show_stage)
    data = {"server": url, "cloud": cloud, "outcomes": outcomes, "cloud_only": CLOUD_ONLY}
    screen.answer(data, *_page(outcomes, url, cloud=cloud, width=screen.out.width))
    return 78 if any(each.state is State.MISSING for each in outcomes) else 0


def _page(
    outcomes: Sequence[Outcome], url: str, *, cloud: bool, width: int
) -> list[RenderableType]:
    rows = [
        (
            each.kind,
            Text(each.name, "bold"),
            Text(each.state, _STYLES[each.state]),
            each.note,
            each.id,
        )
        for each in outcomes
    ]
    counts = Counter(each.state for each in outcomes)
    summary = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    parts: list[RenderableType] = [
        text_table(_HEADINGS, rows, width=width),
        Text(f"{many(len(outcomes), 'thing')} on {url}: {summary}", "bold"),
    ]
    if not cloud:
        parts += [
            Text(),
            Text("Needs Prefect Cloud, and is not used; what stands in for it:", "dim"),
            facts(list(CLOUD_ONLY.items())),
        ]
    return parts
