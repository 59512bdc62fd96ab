from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.errors import SettingsError
from history import HistorySettings, load_changes
from tools.interoperability.__main__ import (
    BEGIN,
    DOCUMENT,
    END,
    READERS,
    Answer,
    ask_reader,
    table_of,
)
from tools.interoperability.compare_answers import compare
from tools.interoperability.example_table import QUESTIONS, expected_answers, load_example
from tools.interoperability.read_table import READERS as SCRIPTS

INSTANT = datetime(2024, 5, 1, tzinfo=UTC)
ROWS = pa.table({"n": [1, 2], "at": pa.array([INSTANT, None], pa.timestamp("us", "UTC"))})


@pytest.fixture(scope="module", params=[3, 2], ids="format_{}".format)
def example(request, spark, tmp_path_factory):
    """The table that other engines are asked for, with Spark's answers."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.readers")
    loaded = load_example(spark, f"lake.readers.f{request.param}", format_version=request.param)
    yield request.param, loaded, expected_answers(spark, loaded)
    for name in (loaded.name, f"{loaded.name}__kept_events"):
        spark.sql(f"DROP TABLE IF EXISTS {name} PURGE")


def test_replaced_rows_are_in_vectors_or_in_the_files_that_the_format_has(example, spark):
    number, loaded, expected = example

    kinds = {"PUFFIN"} if number == 3 else {"PARQUET"}
    assert {*loaded.deletes} == kinds
    # 400 first versions, then the changes of a day: 107 (27 more are deletes) and 100.
    assert (len(expected["all"]), len(expected["snapshot"])) == (607, 400)
    (kept,) = spark.sql(f"SHOW TBLPROPERTIES {loaded.name} ('format-version')").collect()
    assert kept.value == str(number)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_pyiceberg_gives_spark_s_answers(example, ask, tmp_path):
    _, loaded, expected = example

    answer = ask_reader(Path(sys.executable), "pyiceberg", loaded, ask, expected[ask], tmp_path)

    assert (answer.word, answer.detail) == ("right", "")


def test_a_reader_that_raises_has_refused_with_its_own_words(example, tmp_path):
    _, loaded, expected = example
    gone = type(loaded)(loaded.name, loaded.metadata.with_name("gone.metadata.json"), 0, ())

    answer = ask_reader(Path(sys.executable), "pyiceberg", gone, "all", expected["all"], tmp_path)

    assert answer.word == "refused"
    assert "gone.metadata.json" in answer.detail
    assert str(loaded.metadata.parent) not in answer.detail


def test_a_table_of_format_3_is_not_loaded_with_settings_for_format_2(spark, lake_namespace):
    table = f"{lake_namespace}.people"
    changes = spark.createDataFrame([(1, INSTANT, "a")], "n int, at timestamp, name string")
    settings = HistorySettings(key=("n",), sequence="at")
    load_changes(spark, changes, table, settings, batch_id="1", batch_time=INSTANT)
    older = HistorySettings(key=("n",), sequence="at", format_version=2)

    with pytest.raises(SettingsError, match="one of format 3"):
        load_changes(spark, changes, table, older, batch_id="2", batch_time=INSTANT)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ROWS.take([1, 0]).select(["at", "n"]), ("right", "")),
        (ROWS.set_column(0, "n", pa.array([1, 2], pa.int64())), ("right", "")),
        (ROWS.slice(1), ("wrong", "1 rows of 2")),
        (ROWS.select(["n"]), ("wrong", "without at")),
        (ROWS.set_column(0, "n", pa.array([2, 1])), ("wrong", "values in other rows")),
        (ROWS.set_column(0, "n", pa.array([1, 3])), ("wrong", "other values in n (n as int64)")),
        (ROWS.set_column(0, "n", pa.array(["1", "2"])), ("other types", "n as string")),
        (
            ROWS.set_column(1, "at", ROWS["at"].cast(pa.timestamp("us"))),
            ("other types", "at as timestamp[us]"),
        ),
    ],
)
def test_what_differs_is_said_without_values(found, said):
    compared = compare(ROWS, found)

    assert (compared.word, compared.detail) == said


def test_octets_that_a_reader_calls_a_text_have_another_type():
    octets = pa.table({"b": [b"\xff", None]})
    text = pa.StringArray.from_buffers(2, *_buffers(octets))

    assert compare(octets, pa.table({"b": text})).word == "other types"


def _buffers(table):
    valid, offsets, values = table.column("b").chunk(0).buffers()
    return offsets, values, valid


def test_values_in_lists_and_structs_are_compared_too():
    one = pa.table({"s": [{"a": [Decimal("1.10")], "b": b"x"}]})
    other = pa.table({"s": [{"a": [Decimal("1.20")], "b": b"x"}]})

    assert compare(one, one).word == "right"
    assert compare(one, other).detail.startswith("other values in s (s as struct<")


def test_the_table_says_each_error_once_and_marks_what_is_wrong():
    answers = {
        ("polars", 3, "all"): Answer("wrong", "3 rows of 4", {"polars": "1"}),
        ("polars", 3, "tag"): Answer("no way", "", {"polars": "1"}),
        ("daft", 3, "all"): Answer("refused", "`No`", {"daft": "2"}),
        ("daft", 3, "tag"): Answer("refused", "`No`", {"daft": "2"}),
    }

    lines = table_of(answers, "Spark 4").splitlines()

    assert "| Polars (polars 1) | **wrong** (1) | can't be asked |" in lines
    assert "| Daft (daft 2) | refused (2) | refused (2) |" in lines
    assert lines[-2:] == ["1. 3 rows of 4", "2. `No`"]


def test_the_document_has_an_answer_of_each_reader_to_each_question():
    text = DOCUMENT.read_text(encoding="utf-8")
    written = text.split(BEGIN)[1].split(END)[0]

    assert {*SCRIPTS} == {*READERS}
    for title, _ in READERS.values():
        cells = re.findall(rf"^\| {re.escape(title)} \([^|]*\) \|(.*)\|$", written, re.MULTILINE)
        assert [len(each.split("|")) for each in cells] == [len(QUESTIONS)] * 2
