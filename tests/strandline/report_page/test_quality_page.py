"""The page without a browser: well-formed, self-contained, readable, and true to its report."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise, product

import pytest

from strandline.help_examples import EXAMPLES
from strandline.page_elements.html_elements import element
from strandline.page_elements.page_script import SCRIPT
from strandline.page_elements.page_style import DARK, LIGHT, TEXT, style_sheet
from strandline.queries.quality_report import QualityReport
from strandline.report_page.quality_page import quality_page
from strandline.report_page.run_sections import next_steps
from tasks.transforms.checks.quality_score import Outcome
from tests.strandline.page_tree import tags_of, tree_of
from tools.example_quality_report import example_report

MADE_AT = datetime(2024, 5, 1, 9, tzinfo=UTC)
LEAST_CONTRAST = 4.5


REPORT = example_report()
PAGE = quality_page(REPORT, made_at=MADE_AT)
NEXT_TO_NOTHING = QualityReport(
    "aircraft",
    "lake.s.aircraft",
    (
        replace(
            REPORT.batch, checks=(), score=None, outcome="not evaluated", rows_judged=0,
            rows_read=0, reasons=(), refused_percent=0.0, refused_limit=0.0, threshold=1.0,
        ),
    ),
)  # fmt: skip
PAGES = {
    "of everything": PAGE,
    "of next to nothing": quality_page(NEXT_TO_NOTHING, made_at=MADE_AT),
}


@pytest.fixture(params=PAGES.values(), ids=PAGES.keys())
def tree(request):
    return tree_of(request.param)


def test_the_page_is_whole_and_each_id_and_link_has_its_counterpart(tree):
    ids = [node.attributes["id"] for node in tree.all(*tags_of(tree)) if "id" in node.attributes]
    links = [node.attributes["href"] for node in tree.all("a")]
    labels = [
        name
        for node in tree.all("section")
        for name in (node.attributes["aria-labelledby"] or "").split()
    ]

    assert [node.tag for node in tree.children] == ["html"]
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert set(labels) <= set(ids)
    assert links[0] == "#report"
    assert tree.children[0].attributes["lang"] == "en"


def test_nothing_is_loaded_from_anywhere(tree):
    policy = next(
        node.attributes["content"]
        for node in tree.all("meta")
        if node.attributes.get("http-equiv") == "Content-Security-Policy"
    )

    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert tags_of(tree) & {"link", "img", "iframe", "object", "embed", "form", "base"} == set()
    for node in tree.all(*tags_of(tree)):
        assert {"src", "srcset", "style", "xlink:href"} & node.attributes.keys() == set()
        assert [name for name in node.attributes if name.startswith("on")] == []
    for page in PAGES.values():
        assert re.findall(r"https?:|//[a-z]|url\(|@import", page.replace(SCRIPT, "")) == []
    assert re.findall(r"fetch|XMLHttp|import|eval|innerHTML|https?:", SCRIPT) == []


def test_headings_are_in_order_and_each_section_has_one(tree):
    levels = [int(node.tag[1]) for node in tree.all("h1", "h2", "h3", "h4")]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [len(node.all("h2")) for node in tree.all("section")] == [1] * len(tree.all("section"))


def test_each_chart_has_a_name_and_its_numbers_as_a_table(tree):
    for chart in tree.all("svg"):
        if chart.attributes.get("aria-hidden") == "true":
            continue
        assert chart.attributes["role"] == "img"
        assert chart.attributes["aria-label"]
        above = chart.ancestors()
        assert "td" in above or "figure" in above
    for figure in tree.all("figure"):
        assert len(figure.all("table")) == 1
        (chart,) = [svg for svg in figure.all("svg") if "tabindex" in svg.attributes]
        points = [node for node in chart.all("g") if node.attributes.get("class") == "point"]
        assert points
        assert all(point.all("title")[0].text for point in points)
        assert figure.all("output")[0].attributes["aria-live"] == "polite"


def test_tables_say_what_their_rows_and_columns_are(tree):
    for table in tree.all("table"):
        assert table.all("caption")[0].text
        width = len(table.all("thead")[0].all("th"))
        for row in table.all("tbody")[0].all("tr"):
            assert len(row.children) == width
            assert row.children[0].attributes["scope"] == "row"
        assert table.parent is not None
        assert table.parent.attributes["tabindex"] == "0"


def relative_luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((relative_luminance(one), relative_luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", TEXT)
def test_text_can_be_read_on_both_backgrounds(scheme, name):
    assert min(contrast(scheme[name], scheme[ground]) for ground in ("page", "panel")) >= (
        LEAST_CONTRAST
    )


def test_the_style_has_no_colour_that_was_not_tested():
    style = style_sheet()
    palette = {*LIGHT.values(), *DARK.values(), "#fff", "#bbb"}

    assert set(re.findall(r"#[0-9a-f]{3,6}\b", style)) <= palette
    assert set(re.findall(r"var\(--(\w+)\)", style)) <= LIGHT.keys()
    assert LIGHT.keys() == DARK.keys()
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_each_class_in_the_page_is_one_that_the_style_knows():
    style = style_sheet()
    used = {
        name
        for node in tree_of(PAGE).all(*tags_of(tree_of(PAGE)))
        for name in (node.attributes.get("class") or "").split()
    }

    assert {name for name in used if f".{name}" not in style} <= {"point", "key"}


def test_the_page_says_what_the_report_says():
    tree = tree_of(PAGE)
    sections = {node.attributes["id"]: node for node in tree.all("section")}
    batch = REPORT.batch

    assert "The gate closed: nothing was published" in tree.all("header")[0].text
    assert all(reason in tree.all("header")[0].text for reason in batch.reasons)
    assert len(batch.reasons) == 3
    closed = [
        node for node in sections["scores"].all("path") if node.attributes["class"] == "closed"
    ]
    assert len(closed) == sum(each.closed for each in REPORT.batches) > 1
    assert len(sections["verdicts"].all("tr")) == 1 + len(REPORT.batches)
    assert len(sections["checks"].all("tr")) == 1 + len(batch.checks)
    assert "fewer than 8 past loads on this weekday: 4" in sections["not-evaluated"].text
    assert "N14228" in sections["unusual"].text
    cells = [node for node in sections["over-runs"].all("g") if node.attributes["class"] == "point"]
    assert len(cells) == 5 * len(REPORT.batches)
    refused = round(batch.refused_percent * batch.rows_judged / 100)
    assert f"{refused:,}" in sections["score"].text
    held = sum(day.settled.get("held", 0) for day in REPORT.quarantine)
    assert f"{held:,} rows still held" in sections["quarantine"].text


def test_the_timeline_has_a_column_for_each_run_and_the_cost_its_time():
    tree = tree_of(PAGE)
    sections = {node.attributes["id"]: node for node in tree.all("section")}
    runs = REPORT.runs
    opened = sum(run.versions_opened or 0 for run in runs)

    for name in ("versions", "cost"):
        points = [n for n in sections[name].all("g") if n.attributes["class"] == "point"]
        assert len(points) == len(runs)
        (table,) = sections[name].all("figure")[0].all("table")
        assert len(table.all("tbody")[0].children) == len(runs)
    assert f"{opened:,} versions" in sections["versions"].text
    bars = [
        node
        for node in sections["versions"].all("rect")
        if (node.attributes.get("class") or "").startswith("part ")
    ]
    assert any(float(bar.attributes["height"] or 0) > 0 for bar in bars)
    stopped = [n for n in sections["cost"].all("path") if n.attributes["class"] == "closed"]
    assert len(stopped) == sum(run.state == "refused" for run in runs) > 1
    steps = sections["cost"].all("table")[0]
    assert {row.children[0].text for row in steps.all("tbody")[0].all("tr")} == {
        *(runs[-1].step_milliseconds or {}),
        "between the steps",
    }


def test_runs_from_before_steps_were_counted_have_a_cost_without_them():
    runs = tuple(replace(run, step_milliseconds=None, bytes_read=None) for run in REPORT.runs)
    tree = tree_of(quality_page(replace(REPORT, runs=runs), made_at=MADE_AT))
    (cost,) = [node for node in tree.all("section") if node.attributes["id"] == "cost"]

    assert len(cost.all("table")) == 1


def test_the_lineage_has_a_line_from_each_source_column_and_says_the_protection():
    (section,) = [n for n in tree_of(PAGE).all("section") if n.attributes["id"] == "lineage"]
    points = [n for n in section.all("g") if n.attributes["class"] == "point"]

    assert len(points) == len(REPORT.lineage)
    for point, column in zip(points, REPORT.lineage, strict=True):
        assert len(point.all("path")) == len(column.sources)
        title = point.all("title")[0].text
        assert title.startswith(f"{column.column}, {column.classification}, from ")
        assert column.expression in title
        assert (column.protection or "stored in the clear") in title
        kinds = {n.attributes["class"] for n in point.all("rect")}
        assert ("flow-box protected" in kinds) is bool(column.protection)
    assert any(column.protection for column in REPORT.lineage)


@pytest.mark.parametrize(
    ("outcome", "state", "refused", "first"),
    [
        ("failed", "refused", 0, "strandline quarantine publish aircraft"),
        ("failed", "refused", 7, "strandline quarantine aircraft"),
        ("passed", "failed", 0, "strandline runs aircraft"),
        ("passed", "published", 0, "strandline plan aircraft"),
    ],
)
def test_the_next_step_is_the_most_pressing(outcome, state, refused, first):
    batch = replace(REPORT.batch, outcome=outcome, state=state, rows_quarantined=refused)
    report = replace(REPORT, batches=(batch,), quarantine=())
    (section,) = [
        node
        for node in tree_of(quality_page(report, made_at=MADE_AT)).all("section")
        if node.attributes["id"] == "next"
    ]

    assert section.all("code")[0].text.startswith(first)


def test_each_next_step_is_a_command_as_the_command_line_takes_it():
    commands = [command for command, _ in next_steps(REPORT)]
    examples = {" ".join(shlex.split(text)[:1]) for text in EXAMPLES.values()}

    assert {shlex.split(command)[1] for command in commands} <= examples


def test_the_score_on_paper_can_be_worked_out():
    text = next(n for n in tree_of(PAGE).all("section") if n.attributes["id"] == "score").text
    found = re.search(r"1 \N{MINUS SIGN} ([\d,.]+) ÷ ([\d,]+)", text)

    assert found is not None
    lost, rows = (float(number.replace(",", "")) for number in found.groups())
    assert 1 - lost / rows == pytest.approx(REPORT.batch.score, abs=1e-6)


def test_a_key_that_is_not_to_be_shown_is_not_on_the_page():
    hidden = replace(
        REPORT, unusual_rows=tuple(replace(row, key=None) for row in REPORT.unusual_rows)
    )
    page = quality_page(hidden, made_at=MADE_AT)

    assert "N14228" not in page
    assert "A column of the key is sensitive" in page


@pytest.mark.parametrize(
    ("outcome", "state", "said"),
    [
        ("passed", "published", "The gate was open: published"),
        ("passed", "unchanged", "nothing new to publish"),
        ("passed", "failed", "stopped by a later step"),
        ("failed", "refused", "nothing was published"),
        ("failed", "published", "released since"),
        ("not evaluated", "unchanged", "Not evaluated"),
    ],
)
def test_the_verdict_tells_what_became_of_the_batch(outcome, state, said):
    batch = replace(REPORT.batch, outcome=outcome, state=state)
    page = quality_page(replace(REPORT, batches=(batch,)), made_at=MADE_AT)

    assert said in tree_of(page).all("header")[0].text


def test_what_a_contract_calls_its_things_is_text_and_never_markup():
    odd = "<script>alert('x')</script>\"&"
    check = replace(
        REPORT.batch.checks[0], check=odd, columns=(odd,), note=odd, limit=odd, metric=1.0
    )
    batch = replace(REPORT.batch, reasons=(odd,), checks=(check,))
    page = quality_page(
        replace(REPORT, contract=odd, table=odd, batches=(batch, batch), unusual_counts={odd: 1}),
        made_at=MADE_AT,
    )
    tree = tree_of(page)

    assert [node.text for node in tree.all("script")] == [SCRIPT]
    assert odd in tree.all("h1")[0].text


def test_metrics_that_are_no_numbers_are_drawn_as_gaps():
    check = REPORT.batch.checks[0]
    values = (float("nan"), float("inf"), None, 3.0, 3.0)
    batches = tuple(
        replace(
            REPORT.batch,
            batch_id=f"b{i}",
            checks=(replace(check, metric=value, limit="at most 5", outcome=Outcome.PASSED),),
        )
        for i, value in enumerate(values)
    )
    page = quality_page(replace(REPORT, batches=batches), made_at=MADE_AT)
    (drift,) = [n for n in tree_of(page).all("section") if n.attributes["id"] == "drift"]

    assert len(drift.all("polyline")) == 1
    assert "nan" not in drift.text.lower()


@pytest.mark.parametrize(("text", "attribute"), [*product(["<&>", '"'], repeat=2)])
def test_text_and_attributes_are_escaped(text, attribute):
    (node,) = tree_of(element("p", text, title_=attribute)).children

    assert (node.text, node.attributes) == (text, {"title": attribute})
