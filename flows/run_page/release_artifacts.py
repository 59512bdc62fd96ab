"""The comparison of a release on the page of its flow run: figures of both tables, and columns."""

from __future__ import annotations

from contextlib import suppress

from prefect.artifacts import create_markdown_artifact

from contracts.errors import UnexpectedError
from tasks.release.compare_release import ReleaseComparison
from tasks.run.unexpected_errors import map_unexpected_errors


def show_comparison(found: ReleaseComparison) -> None:
    """Show a comparison; a page that fails changes nothing of the release."""
    with suppress(UnexpectedError), map_unexpected_errors("release, page of the run"):
        create_markdown_artifact(
            comparison_text(found),
            key=f"release-{found.release.contract}".lower().replace("_", "-"),
            description=f"Blue and green of release {found.release.id}",
        )


def comparison_text(found: ReleaseComparison) -> str:
    """A comparison as Markdown."""
    lines = ["| | blue | green |", "|---|--:|--:|"]
    lines += [f"| {label} | {blue} | {green} |" for label, blue, green in figures_of(found)]
    lines += ["", "| difference | versions |", "|---|--:|"]
    lines += [f"| {label} | {count:,} |" for label, count in differences_of(found)]
    notes = notes_of(found)
    return "\n".join([*lines, "", *[f"- {note}" for note in notes]])


def figures_of(found: ReleaseComparison) -> list[tuple[str, str, str]]:
    """What both tables are compared by: a label, blue's figure, green's figure."""
    rows, blue, green = found.rows, found.blue, found.green
    pairs: list[tuple[str, object, object]] = [
        ("contract", found.release.version_before, found.release.version),
        ("versions", rows.blue.versions, rows.green.versions),
        ("open versions", rows.blue.open, rows.green.open),
        ("keys", rows.blue.keys, rows.green.keys),
        ("last load", blue.state, green.state),
        ("quality", _percent(blue.score), _percent(green.score)),
        ("rows read", blue.rows_read, green.rows_read),
        ("rows refused", blue.rows_refused, green.rows_refused),
        ("rows held", blue.held, green.held),
        ("seconds", blue.seconds, green.seconds),
    ]
    return [(label, _text(one), _text(other)) for label, one, other in pairs]


def differences_of(found: ReleaseComparison) -> list[tuple[str, int]]:
    """What differs, in how many versions; columns with the most first."""
    rows = found.rows
    columns = sorted(rows.columns.items(), key=lambda each: (-each[1], each[0]))
    return [
        ("only in blue", rows.only_in_blue),
        ("only in green", rows.only_in_green),
        ("in both, and different", rows.differing),
        *[(f"column {name}", count) for name, count in columns],
    ]


def notes_of(found: ReleaseComparison) -> list[str]:
    """What a reader of the figures has to know."""
    rows, notes = found.rows, []
    if found.release.failure:
        notes.append(f"green is not up to date: {found.release.failure}")
    if rows.left_out:
        until = "" if rows.compared_until is None else f" after {rows.compared_until.isoformat()}"
        notes.append(f"{rows.left_out:,} keys changed{until} and were not compared")
    if rows.only_blue_columns:
        notes.append(f"green has no column {', '.join(rows.only_blue_columns)}")
    if rows.only_green_columns:
        notes.append(f"blue has no column {', '.join(rows.only_green_columns)}")
    if rows.not_compared:
        names = ", ".join(rows.not_compared)
        notes.append(f"random tokens, of which only null is compared: {names}")
    return notes


def _percent(score: float | None) -> str | None:
    return None if score is None else f"{score:.2%}"


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
