"""Every rule of the engine is broken once; the convergence check has to notice each time."""

from __future__ import annotations

import inspect
import sys
from functools import cache
from types import FunctionType, ModuleType
from typing import NamedTuple

import pytest

from contracts.errors import AuditError
from history.planning import event_validation, scd2_versions
from history.spark import column_quoting_and_comparison
from tests.history.convergence import assert_converges, differences
from tests.history.examples import Example, drawn
from tests.history.layouts import RULES
from tests.night import AT_NIGHT


class Mutant(NamedTuple):
    """A rule and the edit of the engine that breaks it.

    `batches` is how many a history needs to show it. Each takes loads of its own, so that only
    some are tried `by_day`.
    """

    rule: str
    module: ModuleType
    old: str
    new: str
    batches: int = 1
    by_day: bool = False


NOT_MAP = "    if not _has_map(kind):\n        return value\n"


def compared(kind: str, broken: str) -> str:
    """The beginning of `comparable` with another form for one type."""
    return f"    if isinstance(kind, T.{kind}):\n        return {broken}\n{NOT_MAP}"


MUTANTS = (
    Mutant(
        "a change to or from null is a change",
        scd2_versions,
        '~F.col("__tracked").eqNullSafe(F.col("__was"))',
        "~F.coalesce(F.array_min(F.array(*["
        'F.col("__tracked")[f"c{i}"] == F.col("__was")[f"c{i}"]'
        " for i in range(len(settings.compared(columns)))])), F.lit(True))",
    ),
    Mutant(
        "null is not the empty string",
        column_quoting_and_comparison,
        NOT_MAP,
        compared("StringType", 'F.coalesce(value, F.lit(""))'),
    ),
    Mutant(
        "strings are compared byte for byte",
        column_quoting_and_comparison,
        NOT_MAP,
        compared("StringType", "F.lower(F.trim(value))"),
    ),
    Mutant(
        "-0.0 is 0.0",
        column_quoting_and_comparison,
        NOT_MAP,
        compared("DoubleType", 'value.cast("string")'),
    ),
    Mutant(
        "NaN is a value",
        column_quoting_and_comparison,
        NOT_MAP,
        compared("DoubleType", "F.nanvl(value, F.lit(None))"),
    ),
    Mutant(
        "moments are compared to the microsecond",
        column_quoting_and_comparison,
        NOT_MAP,
        compared("TimestampType", 'F.date_trunc("millisecond", value)'),
    ),
    Mutant(
        "the order of a map's entries does not matter",
        column_quoting_and_comparison,
        "return F.array_sort(entries)",
        "return entries",
    ),
    Mutant(
        "a delete closes",
        scd2_versions,
        'boundary = opens | (F.col("__op") == DELETE)',
        "boundary = opens",
    ),
    Mutant(
        "an equal insert after a delete opens again",
        scd2_versions,
        '"__previous_operation": around.previous(F.col("__op")),\n'
        '                "__was": around.previous(F.col("__tracked")),',
        '"__previous_operation": F.lag("__op")'
        '.over(per(*settings.key, "__op").orderBy(sequence)),'
        '"__was": F.lag("__tracked").over(per(*settings.key, "__op").orderBy(sequence)),',
    ),
    Mutant(
        "a version ends where the next one or a delete begins",
        scd2_versions,
        'F.when(F.col("__boundary"), F.col("__effective_from"))',
        'F.col("__effective_from")',
    ),
    Mutant(
        "the greatest tie-breaker wins",
        scd2_versions,
        "desc_nulls_last()",
        "asc_nulls_first()",
    ),
    Mutant(
        "of contradicting events none wins",
        scd2_versions,
        'F.when(contested, F.lit(CONTESTED)).otherwise(F.col("__op")).alias',
        'F.col("__op").alias',
    ),
    Mutant(
        "a repeat is no contradiction",
        scd2_versions,
        'F.max(F.col("__tied") & ~F.col("__same"))',
        'F.max(F.col("__tied") & (F.col("__rank") > 1))',
    ),
    Mutant(
        "a version shows the newest type-1 values",
        scd2_versions,
        "around.last_of_version(values)",
        "F.first(values).over(around.version)",
    ),
    Mutant(
        "only the first version is dated back",
        scd2_versions,
        'F.col("__previous_operation").isNull(), first_valid_from(start, settings)\n',
        "F.lit(True), first_valid_from(start, settings)\n",
    ),
    Mutant(
        "a row without a sequence is refused",
        event_validation,
        "        SEQUENCE_PRESENT: named(settings.sequence).isNull(),\n",
        "        SEQUENCE_PRESENT: F.lit(False),\n",
    ),
    Mutant(
        "a late event takes its place",
        scd2_versions,
        "return events.withColumn(ALONE, ~shared)",
        'return events.withColumn(ALONE, ~shared).where(~F.col("__arrives_late"))',
        2,
        by_day=True,
    ),
    Mutant(
        "events that open nothing are remembered",
        scd2_versions,
        'hidden = ~F.col("__opens_version")\n',
        'hidden = ~F.col("__opens_version") & ~F.col("__unchanged")\n',
        2,
    ),
    Mutant(
        "deletes are remembered",
        scd2_versions,
        'hidden = ~F.col("__opens_version")\n',
        'hidden = ~F.col("__opens_version") & (F.col("__op") != DELETE)\n',
        2,
    ),
    Mutant(
        "contested instants are remembered",
        scd2_versions,
        'hidden = ~F.col("__opens_version")\n',
        'hidden = ~F.col("__opens_version") & (F.col("__op") != CONTESTED)\n',
        2,
    ),
    Mutant(
        "an event is remembered where its version shows later type-1 values",
        scd2_versions,
        'hidden = hidden | (F.col("__opens_version") & shows_other)',
        "hidden = hidden",
        2,
    ),
    Mutant(
        "a stored version that lost its instant is replaced",
        scd2_versions,
        '.when(F.col("__replaced"), F.lit("replace"))\n        .when(~same',
        '.when(F.col("__replaced"), F.lit(None))\n        .when(~same',
        2,
    ),
    Mutant(
        "a stored event that lost its instant is replaced",
        scd2_versions,
        'F.when(F.col("__kept") & F.col("__replaced") & hidden, F.lit("replace"))\n        .when(',
        "F.when(",
        3,
    ),
    Mutant(
        "a version that a late event makes superfluous goes",
        scd2_versions,
        'F.when(main.isNotNull(), F.lit("remove"))',
        "F.lit(None)",
        2,
    ),
)


@cache
def examples(batches: int) -> list[Example]:
    """So many that each rule is met, whatever is drawn: that changes with every line of ours.

    Where there is one batch, there is one way to fill it, and more fit into a load.
    """
    if batches > 1:
        return drawn(RULES, 400, batches, fixed=4)
    found = drawn(RULES, 1_200, batches, fixed=4)
    return [Example(example.events, example.ways[:1]) for example in found]


def break_rule(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the edited functions in the place of the module's own, wherever they were imported."""
    source = inspect.getsource(mutant.module)
    assert source.count(mutant.old) == 1, f"{mutant.module.__name__} no longer says it like that"
    name = mutant.module.__name__
    edited = {"__name__": name}
    exec(compile(source.replace(mutant.old, mutant.new), name, "exec"), edited)  # noqa: S102
    for module in [each for path, each in sys.modules.items() if path.startswith("history")]:
        for attribute, value in vars(module).copy().items():
            if isinstance(value, FunctionType) and value.__module__ == name:
                monkeypatch.setattr(module, attribute, edited[value.__name__])


@pytest.mark.nightly
@pytest.mark.parametrize("batches", [1, 2])
def test_the_check_passes_while_every_rule_is_kept(spark, lake_namespace, batches):
    assert_converges(spark, lake_namespace, RULES, examples(batches))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_the_engine_says_each_rule_as_its_mutant_has_it(mutant):
    assert inspect.getsource(mutant.module).count(mutant.old) == 1


TRIED = [mutant for mutant in MUTANTS if AT_NIGHT or mutant.by_day]


@pytest.mark.parametrize("mutant", TRIED, ids=lambda mutant: mutant.rule)
def test_the_check_fails_when_a_rule_is_broken(spark, lake_namespace, monkeypatch, mutant):
    break_rule(mutant, monkeypatch)

    try:
        found = differences(spark, lake_namespace, RULES, examples(mutant.batches))
    except AuditError:
        return  # the load itself has seen it
    assert found
