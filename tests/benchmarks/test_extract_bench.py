"""The benchmark of extraction: what is compared with what, and that both read the same."""

from __future__ import annotations

from benchmarks.extract.__main__ import _contract
from benchmarks.extract.measure import Measured, Peak
from benchmarks.extract.results import AIMS, aims, memory_text, result_rows, table_text
from benchmarks.extract.subjects import COLUMNS, LIMIT, SUBJECTS


def measured(**seconds):
    reads = {
        name: [{"seconds": each, "cpu": each / 2} for each in (99.0, *rounds)]
        for name, rounds in seconds.items()
    }
    return Measured(2_000_000, reads)


def test_each_aim_compares_two_subjects_and_the_warm_up_does_not_count():
    found = aims(measured(copy_values=(1.0, 2.0, 1.0), strandline=(1.2, 2.2, 1.4)))

    assert [row["what"] for row in found] == [AIMS[0][0]]
    assert found[0]["ratios"] == [1.2, 1.1, 1.4]
    assert (found[0]["ratio"], found[0]["met"]) == (1.2, True)
    assert {name for _, ours, others, _ in AIMS for name in (ours, *others)} <= {*SUBJECTS}


def test_a_whole_is_compared_with_the_sum_of_its_parts():
    whole = measured(strandline_parquet=(3.0,), strandline=(1.0,), writer_parquet=(2.0,))

    (found,) = aims(whole)

    assert (found["ratio"], found["met"]) == (1.0, True)


def test_what_is_only_compared_is_neither_met_nor_missed():
    rows = measured(copy=(1.0,), strandline=(1.7,))

    (found,) = aims(rows)

    assert (found["ratio"], found["most"], found["met"]) == (1.7, None, None)
    assert "met" not in table_text(result_rows([rows]), [found])


def test_an_aim_that_is_missed_is_told_as_missed():
    rows = measured(spark_parquet=(2.0,), strandline_parquet=(1.6,))

    found = aims(rows)

    assert not found[0]["met"]
    assert "NOT met" in table_text(result_rows([rows]), found)


def test_the_table_names_every_subject_and_what_was_held():
    rows = result_rows([measured(**dict.fromkeys(SUBJECTS, (1.0, 3.0, 2.0)))])

    text = table_text(rows, [])

    assert all(name in text for name in SUBJECTS)
    assert {row["median_s"] for row in rows} == {2.0}
    assert "   20,000,000 rows" in memory_text([Peak(20_000_000, 812.4, 9.3)])


def test_the_limit_reads_the_columns_of_the_contract():
    (schema,) = _contract()["schema"]
    read = [column["name"] for column in schema["properties"] if "transformSourceObjects" in column]

    assert [name for name in COLUMNS if name != "updated_at"] == read
    assert SUBJECTS[LIMIT].to == "nowhere"
