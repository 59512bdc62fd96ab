"""Draw the layers and rooms from the imports themselves, into docs/architecture.svg and .md.

`python -m tools.draw_architecture` writes both; `--check` fails where they are stale.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

import grimp

ROOT = Path(__file__).parents[1]
PICTURE, PAGE = ROOT / "docs" / "architecture.svg", ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: made by `make architecture` -->", "<!-- end of rooms -->"

WAY = (
    ("flows.load_table", "the flow is called"),
    ("tasks.lifecycle.open_run", "contract and blocks are found, the table is locked"),
    ("flows.load_steps", "the steps are taken in order"),
    ("tasks.extract", "the source is asked for its columns and bounds"),
    ("tasks.compiler.compile_contract", "the contract is compiled, once"),
    ("tasks.protect", "the row leaves the source"),
    ("tasks.transforms.stage_rows", "it is judged, mapped, fingerprinted, protected"),
    ("tasks.validate", "the batch is judged"),
    ("tasks.merge", "its event is handed to the engine"),
    ("history.write_audit_publish", "the batch is planned and written aside"),
    ("history.planning.event_timeline", "it meets what is stored of its key"),
    ("history.planning.scd2_versions", "it opens a version, or not"),
    ("history.writing.write_merge_plan", "the version is written on a branch"),
    ("history.audit.history_invariants", "the branch is audited"),
    ("history.iceberg.branches", "main moves to it: readers see the version"),
    ("tasks.record_lineage_and_metrics", "the run is recorded"),
)
"""The way of one row; the first module reaches each of them by imports."""


@dataclass(frozen=True, slots=True)
class Room:
    """A package, with the modules directly in it."""

    name: str
    description: str
    modules: tuple[str, ...]
    imports: tuple[str, ...]


def layers() -> tuple[str, ...]:
    """The layers from the top down, as import-linter is configured."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return tuple(next(each["layers"] for each in contracts if each["type"] == "layers"))


def rooms(graph: grimp.ImportGraph) -> dict[str, Room]:
    """All packages by name, in the order of their names."""
    packages = {name for name in graph.modules if _file(name).name == "__init__.py"}

    def room_of(module: str) -> str:
        return module if module in packages else module.rpartition(".")[0]

    by_name = {}
    for package in sorted(packages):
        inside = sorted(m for m in graph.modules if room_of(m) == package and m not in packages)
        imported = {
            room_of(other)
            for module in (*inside, package)
            for other in graph.find_modules_directly_imported_by(module)
        }
        by_name[package] = Room(
            package, _description(package), tuple(inside), tuple(sorted(imported - {package}))
        )
    return by_name


def page(by_name: dict[str, Room], order: tuple[str, ...]) -> str:
    """The tables of rooms, layer by layer."""
    lines = []
    for layer in order:
        lines += [
            f"### {layer}",
            "",
            "| room | what it holds | modules | imports |",
            "|---|---|--:|---|",
        ]
        for room in by_name.values():
            if room.name.split(".")[0] != layer:
                continue
            path = room.name.replace(".", "/")
            used = ", ".join(f"`{name}`" for name in room.imports) or "-"
            lines.append(
                f"| [`{path}`](../{path}) | {room.description} | {len(room.modules)} | {used} |"
            )
        lines.append("")
    return "\n".join(lines)


def picture(by_name: dict[str, Room], order: tuple[str, ...]) -> str:
    """Layers as bands, rooms as boxes, and the way of one row through them."""
    width, margin, gap, box, high = 1480, 150, 12, 200, 62
    texts: list[str] = []
    per_line = (1000 - margin) // (box + gap)
    parts, y = [], 20
    positions: dict[str, tuple[int, int]] = {}
    for layer in order:
        inside = _importers_first(
            [room for room in by_name.values() if room.name.split(".")[0] == layer]
        )
        lines = -(-len(inside) // per_line)
        band = lines * (high + gap) + gap
        parts.append(f'<rect x="10" y="{y}" width="1000" height="{band}" class="band"/>')
        parts.append(f'<text x="24" y="{y + 28}" class="layer">{layer}</text>')
        for at, room in enumerate(inside):
            x = margin + (at % per_line) * (box + gap)
            top = y + gap + (at // per_line) * (high + gap)
            positions[room.name] = (x, top)
            name = room.name.partition(".")[2] or "(top)"
            parts.append(f'<rect x="{x}" y="{top}" width="{box}" height="{high}" class="room"/>')
            texts.append(f'<text x="{x + 8}" y="{top + 17}" class="name">{escape(name)}</text>')
            for number, line in enumerate(wrap(room.description, 36)[:3]):
                texts.append(
                    f'<text x="{x + 8}" y="{top + 31 + 12 * number}" class="says">'
                    f"{escape(line)}</text>"
                )
        y += band + 10
    way, *dots = _way(by_name, positions, box)
    parts += [way, *texts, *dots]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 10}" '
        f'font-family="sans-serif">\n<style>{_STYLE}</style>\n'
        f'<rect width="{width}" height="{y + 10}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _importers_first(inside: list[Room]) -> list[Room]:
    """Rooms of a layer, each before those that it imports."""
    by_name = {room.name: room for room in inside}
    heights: dict[str, int] = {}

    def height(room: Room) -> int:
        if room.name not in heights:
            heights[room.name] = 0
            below = (height(by_name[name]) for name in room.imports if name in by_name)
            heights[room.name] = max(below, default=-1) + 1
        return heights[room.name]

    return sorted(inside, key=lambda room: (-height(room), room.name))


_STYLE = (
    ".band{fill:#f2f5f4;stroke:#c9d3cf}.room{fill:#fff;stroke:#7d8f88;rx:5}"
    ".layer{font-size:16px;font-weight:bold;fill:#20483d}.name{font-size:11px;font-weight:bold}"
    ".says{font-size:9.5px;fill:#4a5652}.way{fill:none;stroke:#b3541e;stroke-width:2.5;opacity:.35}"
    ".dot{fill:#b3541e}.number{font-size:10px;fill:#fff;text-anchor:middle;font-weight:bold}"
    ".step{font-size:12.5px;fill:#20282c}.module{font-size:10.5px;fill:#6b7780}"
    ".title{font-size:16px;font-weight:bold;fill:#b3541e}"
)


def _way(by_name: dict[str, Room], positions: dict[str, tuple[int, int]], box: int) -> list[str]:
    visits: dict[str, int] = {}
    dots, legend = [], ['<text x="1040" y="44" class="title">The way of one row</text>']
    for number, (module, what) in enumerate(WAY, start=1):
        room = module if module in by_name else module.rpartition(".")[0]
        x, y = positions[room]
        at = visits.get(room, 0)
        visits[room] = at + 1
        dots.append((x + box - 14 - 20 * at, y + 12, number))
        top = 60 + number * 36
        legend.append(f'<circle cx="1050" cy="{top - 4}" r="9" class="dot"/>')
        legend.append(f'<text x="1050" y="{top}" class="number">{number}</text>')
        legend.append(f'<text x="1068" y="{top}" class="step">{escape(what)}</text>')
        path = module.replace(".", "/") + ".py"
        legend.append(f'<text x="1068" y="{top + 14}" class="module">{path}</text>')
    points = " ".join(f"{x},{y}" for x, y, _ in dots)
    drawn = [f'<polyline points="{points}" class="way"/>']
    for x, y, number in dots:
        drawn.append(f'<circle cx="{x}" cy="{y}" r="9" class="dot"/>')
        drawn.append(f'<text x="{x}" y="{y + 4}" class="number">{number}</text>')
    return [*drawn, *legend]


def check_way(graph: grimp.ImportGraph) -> list[str]:
    """The modules of the way that the first one does not reach by imports."""
    first = WAY[0][0]
    return [
        module for module, _ in WAY[1:] if not graph.chain_exists(importer=first, imported=module)
    ]


def _file(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _description(package: str) -> str:
    docstring = ast.get_docstring(ast.parse(_file(package).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


def main() -> int:
    """Write both files, or compare them with what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if stale")
    checks = parser.parse_args().check
    order = layers()
    graph = grimp.build_graph(*order, cache_dir=None)
    if unreached := check_way(graph):
        print(f"not reached by imports: {', '.join(unreached)}", file=sys.stderr)
        return 1
    by_name = rooms(graph)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = {
        PAGE: f"{before}{BEGIN}\n\n{page(by_name, order)}\n{END}{after}",
        PICTURE: picture(by_name, order),
    }
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if checks and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"stale: {names}; run `make architecture`", file=sys.stderr)
        return 1
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
