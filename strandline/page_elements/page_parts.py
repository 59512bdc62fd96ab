"""What the sections of the page are made of: figures as text, marks, tables, charts with both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from strandline.page_elements.html_elements import Html, element, joined
from strandline.terminal.number_format import NOTHING, share
from tasks.transforms.checks.figure_text import number_text, percent_text
from tasks.transforms.checks.quality_score import Outcome

_MARKS = {
    Outcome.PASSED: ("good", "✓"),
    Outcome.FAILED: ("bad", "✕"),
    Outcome.NOT_EVALUATED: ("muted", "○"),
}
_SMALLEST = 0.01


def score_text(score: float | None, *limits: float) -> str:
    """A score in percent, or that there is none."""
    return "not evaluated" if score is None else share(score, *limits)


def percent(value: float | None, *limits: float) -> str:
    """A percentage, 0 to 100; what is little but not nothing is said to be so."""
    if value is None:
        return NOTHING
    return percent_text(value, *limits)


def metric_text(value: float | None) -> str:
    """A metric with six digits at most."""
    if value is None:
        return NOTHING
    return number_text(value)


def columns_text(columns: Sequence[str]) -> str:
    """The names of columns."""
    return ", ".join(columns) or NOTHING


def check_name(check: str, columns: Sequence[str]) -> str:
    """A check with its columns, as one line."""
    return f"{check} ({', '.join(columns)})" if columns else check


def titled_section(
    name: str, title: str, *parts: Html, class_: str | None = None, data_searched: str | None = None
) -> Html:
    """A section with its heading; `name` is its address on the page.

    `data_searched` is what the search of the page calls the rows of its table.
    """
    heading = element("h2", title, id=f"{name}-title")
    return element(
        "section",
        heading,
        *parts,
        id=name,
        aria_labelledby=f"{name}-title",
        class_=class_,
        data_searched=data_searched,
    )


def outcome_mark(outcome: str, words: str | None = None) -> Html:
    """An outcome as a sign and a word."""
    kind, sign = _MARKS[Outcome(outcome)]
    mark = element("span", sign, aria_hidden="true")
    return element("span", mark, f" {words or outcome}", class_=f"{kind} nowrap")


def data_table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: frozenset[int] | set[int] = frozenset(),
) -> Html:
    """A table whose first column names the row; `numbers` are the positions of number columns."""
    head = element(
        "thead",
        element(
            "tr",
            *[
                element("th", text, scope="col", class_="number" if i in numbers else None)
                for i, text in enumerate(headings)
            ],
        ),
    )
    body = [
        element(
            "tr",
            *[
                element("th", cell, scope="row")
                if i == 0
                else element("td", cell, class_="number" if i in numbers else None)
                for i, cell in enumerate(row)
            ],
        )
        for row in rows
    ]
    table = element("table", element("caption", caption), head, element("tbody", *body))
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def chart_with_table(chart: Html, about: str, table: Html, *, key: Html | None = None) -> Html:
    """A chart, what it shows, the point that is read out, and the same numbers as a table."""
    return element(
        "figure",
        *([] if key is None else [element("div", key)]),
        element("div", chart, class_="chart"),
        element("output", class_="reading", aria_live="polite"),
        element("figcaption", about),
        element("details", element("summary", "The numbers as a table"), table),
    )


def legend(entries: Iterable[tuple[str, str, float | None]]) -> Html:
    """What the colours of a chart stand for: the CSS class, the name and the opacity of each."""
    return joined(
        element(
            "span",
            element(
                "svg",
                element("rect", width=12, height=12, rx=2, class_=kind, fill_opacity=dark),
                viewBox="0 0 12 12",
                width=12,
                aria_hidden="true",
            ),
            name,
            class_="key",
        )
        for kind, name, dark in entries
    )
