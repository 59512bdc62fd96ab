from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.load.case import Case
from benchmarks.protect.__main__ import main
from benchmarks.protect.contract import NAMES, PROTECTION, document, target_of, write_contract
from benchmarks.protect.measure import EXPRESSIONS, Measured
from benchmarks.protect.results import result_rows, table_text
from contracts.loader import load_contract
from tasks.transforms.protection.column_protection import compile_protection

CASE = Case("incremental", 1_000, 10, 3)


def load(seconds):
    figures = {"cpu": seconds, "seconds": seconds, "pass_cpu": seconds, "pass_seconds": seconds}
    return {**figures, "others": 0.01}


def measured(kind, *pairs, found=(10, 9, 10)):
    made = [
        {"plain": load(one), "protected": load(other), "subject_keys": load(2 * other)}
        for one, other in pairs
    ]
    return Measured(kind, made, (10, 9), dict.fromkeys(NAMES, found))


def test_all_contracts_are_read_without_a_problem_and_protect_none_or_four_of_nine(tmp_path):
    for name in NAMES:
        write_contract(tmp_path, CASE, name, 7)
    plain, protected, keyed = (
        load_contract(tmp_path / f"accounts_{name}_7.yaml") for name in NAMES
    )

    assert (plain.target, protected.target) == (target_of("plain", 7), target_of("protected", 7))
    assert len(plain.source.columns) == len(protected.source.columns) == 9
    assert plain.history == protected.history
    assert compile_protection(plain).protected == frozenset()
    assert not compile_protection(plain).sensitive
    stored = compile_protection(protected)
    assert stored.protected == set(PROTECTION)
    counted = (stored.encrypted, stored.pseudonymised, stored.masked)
    assert [len(each) for each in counted] == [2, 1, 1]
    assert compile_protection(keyed) == replace(stored, subject=("id",))


def test_the_contracts_differ_in_names_classification_and_protection_alone():
    def bare(name):
        (schema,) = document(CASE, name, 0)["schema"]
        return [
            {key: column[key] for key in ("name", "physicalType", "required")}
            for column in schema["properties"]
        ]

    assert bare("plain") == bare("protected") == bare("subject_keys")


def test_figures_are_medians_of_pairs_without_the_warm_up():
    rows = result_rows([measured("incremental", (1, 99), (10, 10.4), (10, 12), (20, 20.2))])

    row = rows[0]
    assert (row["load"], row["part"], row["figure"]) == ("incremental", "load", "cpu")
    assert row["ratios"] == [1.04, 1.2, 1.01]
    assert (row["ratio"], row["plain"], row["protected"]) == (1.04, 10, 12)
    assert (row["most"], row["met"], row["right"]) == (1.05, True, True)
    assert [(each["part"], each["figure"], each["most"]) for each in rows[1:4]] == [
        ("load", "wall", 1.05), ("pass", "cpu", 1.1), ("pass", "wall", 1.1),
    ]  # fmt: skip
    keyed = rows[4]
    assert (keyed["contract"], keyed["ratios"]) == ("subject_keys", [2.08, 2.4, 2.02])
    assert (keyed["most"], keyed["met"]) == (None, None)


def test_a_missed_aim_and_a_wrong_history_are_shown():
    first = measured("first", (1, 1), (10, 13), found=(9, 9, 9))

    rows = result_rows([first])

    assert [row["met"] for row in rows] == [False, False, *[None] * 6]
    assert "NOT met" in table_text(rows)
    assert table_text(rows).count("NOT what the source is") == 8
    assert not Measured("first").right


def test_the_forms_that_are_counted_are_those_of_the_contracts(spark):
    sealed = f"unhex(repeat('01', {34 + 2}))"
    row = f"sha2('x', 256) AS name, 'ci***' AS city, {sealed} AS email, {sealed} AS born_on"
    clear = "'account holder 1' AS name, 'city' AS city, 'a@example.org' AS email, X'31' AS born_on"

    def found(values, name):
        return spark.sql(f"SELECT {values}").selectExpr(EXPRESSIONS[name]).first()[0]

    assert [found(row, "protected"), found(clear, "plain")] == [1, 1]
    assert found(clear, "protected") == found(row, "subject_keys") == 0
    assert found(row.replace("'01'", "'0103'"), "subject_keys") == 1


def test_cpu_seconds_grow_with_work():
    before = cpu_seconds()
    sum(number * number for number in range(3_000_000))

    assert cpu_seconds() > before


def test_too_few_rows_for_the_rounds_are_refused_before_anything_starts(capsys):
    with pytest.raises(SystemExit):
        main(["--rows", "100", "--changed", "90"])

    assert "too few" in capsys.readouterr().err
