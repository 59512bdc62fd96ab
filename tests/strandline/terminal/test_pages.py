from __future__ import annotations

import re
from dataclasses import replace

import pytest

from contracts.errors import QualityGateError
from strandline.queries.ledger_queries import (
    BatchKeptBack,
    Quarantine,
    ReasonCount,
    RefusedRow,
    TableStatus,
)
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import duration, moment, share
from strandline.terminal.status_tables import quarantine_page, runs_page, status_page
from strandline.terminal.text_table import Heading, text_table
from tests.strandline.examples import NOW, day, run_metrics, text_of

ERROR = QualityGateError(
    where="aircraft, batch b1",
    expected="a quality score of at least 95%",
    found="90% [carrier_required]",
    next_step="strandline quarantine aircraft",
)
HELD = Quarantine(
    "aircraft",
    "lake.s.aircraft",
    30,
    (ReasonCount("carrier_required", "carrier", 25), ReasonCount("conflict", None, 9)),
    (RefusedRow(NOW, "N1", ("carrier_required (carrier)", "conflict"), "b1"),),
)


@pytest.mark.parametrize("width", [30, 49, 50, 80, 120])
def test_an_error_says_its_four_parts_at_any_width(width: int):
    text = text_of(error_panel(ERROR, width=width), width=width)
    flowing = re.sub(r"[\s│]+", " ", text)

    assert "QualityGateError" in text
    for part in (ERROR.where, ERROR.expected, ERROR.found, ERROR.next_step):
        assert all(word in flowing for word in part.split())
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_an_error_as_data_has_its_exit_code():
    assert error_data(ERROR) == {
        "kind": "QualityGateError",
        "where": ERROR.where,
        "expected": ERROR.expected,
        "found": ERROR.found,
        "next_step": ERROR.next_step,
        "exit_code": 65,
    }


def test_rows_that_fit_are_a_table_and_others_are_blocks():
    headings = (Heading("name"), Heading("rows", number=True))
    rows = [("first", "1"), ("second", "22")]

    wide = text_of(text_table(headings, rows, width=40), width=40)
    narrow = text_of(text_table(headings, rows, width=12), width=12)

    assert re.search(r"first +1\s*\n *second +22", wide)
    assert re.search(r"name +first\s*\nrows +1", narrow)


def test_prose_is_wrapped_before_a_table_is_given_up():
    headings = (Heading("name"), Heading("meaning", prose=True))
    text = text_of(text_table(headings, [("first", "word " * 20)], width=50), width=50)

    assert len(re.findall("first", text)) == 1
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 50
    assert text.count("word") == 20


def test_spare_columns_are_left_out_before_a_table_is_given_up_and_are_named():
    headings = (Heading("name"), Heading("kind", spare=True), Heading("batch", spare=True))
    rows = [("first", "a kind", "BATCH_20240501")]

    assert "with more room" not in text_of(text_table(headings, rows, width=60), width=60)
    text = text_of(text_table(headings, rows, width=22), width=22)
    assert re.search(r"first +a kind\s*\n", text)
    assert "with more room: batch" in " ".join(text.split())
    tight = text_of(text_table(headings, rows, width=12), width=12)
    assert "with more room: kind, batch" in " ".join(tight.split())


def test_status_shows_tables_that_were_never_loaded_too():
    loaded = TableStatus(
        "aircraft", "lake.s.aircraft", True, 8_000, 6_766, "b1", NOW, day(3), run_metrics()
    )
    text = text_of(
        status_page([loaded, TableStatus("airports", "lake.s.airports", False)], width=160),
        width=160,
    )

    assert re.search(
        r"aircraft +published +2024-05-01 12:00 +8,000 +6,766 +98.76% +2024-01-04 00:00:00 +b1",
        text,
    )
    assert re.search(r"airports +never loaded +- +- +- +- +- +-", text)


def test_runs_show_how_they_ended_and_what_stopped_them():
    failed = run_metrics(state="failed", error_kind="SourceUnavailableError", rows_read=None)
    text = text_of(runs_page([run_metrics(), failed], width=200), width=200)

    assert re.search(r"aircraft +published +12,345 +3 +8,000 +1,234 +98.76% +8.4 s", text)
    assert "failed SourceUnavailableError" in text


def test_a_run_that_never_ended_has_no_length():
    assert run_metrics(end_time=None).seconds is None
    assert "published" in text_of(runs_page([run_metrics(end_time=None)], width=200), width=200)


def test_the_quarantine_counts_reasons_first_and_says_what_it_leaves_out():
    text = text_of(*quarantine_page(HELD, width=120), width=120)

    assert "lake.s.aircraft  30 rows held in quarantine" in text
    assert re.search(r"25 +carrier_required +carrier\s*\n +9 +conflict +-", text)
    assert text.index("carrier_required") < text.index("N1")
    assert "the newest 1 are shown" in text


def test_a_refused_row_is_shown_only_where_it_was_asked_for():
    assert "row" not in text_of(*quarantine_page(HELD, width=120)).split()
    shown = replace(HELD, newest=(replace(HELD.newest[0], row='{"carrier":null}'),))
    assert '{"carrier":null}' in text_of(*quarantine_page(shown, width=120))


def test_an_empty_quarantine_is_one_line():
    page = quarantine_page(Quarantine("aircraft", "lake.s.aircraft", 0), width=80)

    assert text_of(*page).strip() == "lake.s.aircraft  0 rows held in quarantine"


def test_the_quarantine_says_what_was_settled_and_which_batches_were_not_published():
    batch = BatchKeptBack("BATCH_7", NOW, day(30), 1_200, 0.91, "the score is 91.00%")
    quarantine = Quarantine(
        "aircraft", "lake.s.aircraft", 0, settled={"mended": 3, "released": 2}, batches=(batch,)
    )
    text = text_of(*quarantine_page(quarantine, width=160), width=160)

    assert "settled: 3 mended, 2 released" in text
    assert re.search(r"2024-05-01 12:00 +BATCH_7 +1,200 +91% +2024-01-31 00:00 +the score", text)


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_no_page_is_wider_than_the_terminal(width: int):
    loaded = TableStatus(
        "aircraft", "lake.s.aircraft", True, 8_000, 6_766, "BATCH_1", NOW, day(3), run_metrics()
    )
    text = text_of(
        status_page([loaded], width=width),
        runs_page([run_metrics()], width=width),
        *quarantine_page(HELD, width=width),
        width=width,
    )

    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_a_score_is_never_rounded_up_to_a_full_one():
    assert share(1.0) == "100%"
    assert share(0.999_999) == "99.99%"
    assert share(0.9) == "90%"
    assert share(None) == "-"


def test_moments_are_as_short_as_they_are_exact():
    assert moment(day(0)) == "2024-01-01"
    assert moment(NOW) == "2024-05-01 12:00"
    assert moment(NOW.replace(second=5)) == "2024-05-01 12:00:05"
    assert moment(NOW.replace(microsecond=5)) == "2024-05-01 12:00:00.000005"


def test_durations_are_seconds_until_they_are_minutes():
    assert duration(59.94) == "59.9 s"
    assert duration(125) == "2 min 05 s"
