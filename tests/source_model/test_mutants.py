"""Every rule about reads is broken once; the comparison with the reference has to notice."""

from __future__ import annotations

import inspect
from functools import cache
from typing import NamedTuple

import pytest

from contracts.errors import AuditError
from history import write_audit_publish
from history.model import recorded_source_reads
from history.planning import event_timeline, valid_from
from history.writing import plan_batch
from tests.history.test_mutants import Mutant, break_rule
from tests.night import AT_NIGHT
from tests.source_model.examples import BETWEEN, MOMENTS, Asked, Lot, Plan, Step, drawn, lots
from tests.source_model.loads import loading as table_of

FULL, SINCE = Asked(full=True), Asked(full=False, low=BETWEEN)
IN_ORDER = Plan((FULL, FULL, SINCE, FULL), tuple(Step(read) for read in (0, 1, 2, 3)))
LATE = Plan((FULL, FULL, SINCE, FULL), tuple(Step(read) for read in (0, 2, 3, 1)))

QUIET = Plan((FULL, FULL, FULL, FULL), LATE.steps)
"""Its second load finds what the first one found."""


class Broken(NamedTuple):
    """A mutant, and the plan that shows it."""

    mutant: Mutant
    plan: Plan = IN_ORDER


BELIEVED = "believed = (stamp <= read_at) & (lower.isNull() | (stamp > lower))"
BROKEN = (
    Broken(
        Mutant(
            "a stamp after the read dates nothing",
            valid_from,
            BELIEVED,
            "believed = stamp.isNotNull() & (lower.isNull() | (stamp > lower))",
            by_day=True,
        )
    ),
    Broken(
        Mutant(
            "a stamp before what is replaced dates nothing",
            valid_from,
            BELIEVED,
            "believed = stamp <= read_at",
        )
    ),
    Broken(
        Mutant(
            "a stamp may lie before the read before",
            valid_from,
            BELIEVED,
            "believed = (stamp <= read_at) & lower.isNull()",
        )
    ),
    Broken(
        Mutant(
            "a change without a stamp holds from its read on",
            valid_from,
            "at = F.when(believed, stamp).otherwise(read_at)",
            "at = F.coalesce(stamp, read_at)",
        )
    ),
    Broken(
        Mutant(
            "what returns does so after it was gone",
            event_timeline,
            "has_new & ((was_deleted & ~is_open) | ahead)",
            "has_new & ahead",
        )
    ),
    Broken(
        Mutant(
            "the starts of a key follow one from the other",
            valid_from,
            '_effective_from(boundary, before["at"], is_first',
            '_effective_from(boundary, F.lit(None).cast("timestamp"), is_first',
        ),
        LATE,
    ),
    Broken(
        Mutant(
            "absence in a full read closes",
            plan_batch,
            "return batch, validated.unionByName(deletes)",
            "return batch, validated",
            by_day=True,
        )
    ),
    Broken(
        Mutant(
            "absence in a read of some rows says nothing",
            plan_batch,
            "if read is None or not read.full or state.is_empty:",
            "if read is None or state.is_empty:",
        )
    ),
    Broken(
        Mutant(
            "a refused row counts as seen",
            write_audit_publish,
            "changes if present_keys is None else present_keys",
            "changes.where(\"op IS NULL OR op <> 'truncate'\")",
        )
    ),
    Broken(
        Mutant(
            "of a read that comes late, the keys of its time are absent",
            plan_batch,
            "is_late = state.has_read_after(read)",
            "is_late = False",
        ),
        LATE,
    ),
    Broken(
        Mutant(
            "a read that comes late does not speak for later ones",
            event_timeline,
            "rows = late_source_reads.add_unchanged_observations(rows, settings, state.reads)",
            "rows = rows.select('*')",
        ),
        LATE,
    ),
    Broken(
        Mutant(
            "a read of some rows saw only those",
            recorded_source_reads,
            "stamp.isNull() | (stamp >= F.lit(read.low))",
            "F.lit(True)",
        ),
        LATE,
    ),
    Broken(
        Mutant(
            "a read of some rows saw those without a stamp",
            recorded_source_reads,
            "stamp.isNull() | (stamp >= F.lit(read.low))",
            "F.coalesce(stamp >= F.lit(read.low), F.lit(False))",
        ),
        LATE,
    ),
    Broken(
        Mutant(
            "a full read saw all that is as it was",
            recorded_source_reads,
            "row = F.lit(read.full)",
            "row = F.lit(False)",
        ),
        LATE,
    ),
    Broken(
        Mutant(
            "a read that changed nothing is remembered",
            write_audit_publish,
            "if batch.read is not None and batch.read not in state.reads:",
            "if batch.read is None:",
        ),
        QUIET,
    ),
)


@cache
def examples(plan_: Plan) -> tuple[Lot, ...]:
    """So many that each rule is met, whatever is drawn."""
    found: list[Lot] = drawn(lots(4), 400, fixed=4)
    if plan_ is QUIET:
        single = (lot for lot in found if len({said.id for said in lot[0]}) == len(lot[0]))
        found = [(first, second, first, last) for first, second, _, last in single]
    return tuple(lot for lot in found if plan_ is IN_ORDER or plan_.is_sure(MOMENTS, lot))


@pytest.mark.nightly
@pytest.mark.parametrize("plan_", [IN_ORDER, LATE, QUIET], ids=["in order", "late", "quiet"])
def test_the_comparison_passes_while_every_rule_is_kept(spark, lake_namespace, plan_):
    assert table_of(spark, lake_namespace, plan_, MOMENTS, examples(plan_)).run() == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.mutant.rule)
def test_the_engine_says_each_rule_as_its_mutant_has_it(broken):
    assert inspect.getsource(broken.mutant.module).count(broken.mutant.old) == 1


TRIED = [each for each in BROKEN if AT_NIGHT or each.mutant.by_day]


@pytest.mark.parametrize("broken", TRIED, ids=lambda each: each.mutant.rule)
def test_the_comparison_fails_when_a_rule_is_broken(spark, lake_namespace, monkeypatch, broken):
    break_rule(broken.mutant, monkeypatch)

    try:
        found = table_of(spark, lake_namespace, broken.plan, MOMENTS, examples(broken.plan)).run()
    except AuditError:
        return  # the load itself has seen it
    assert found
