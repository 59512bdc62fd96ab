"""`strandline plan`: what loads would do, before they do it.

Progress and errors go to standard error, the plan to standard output. Nothing is changed: no row is
read but to count, and no table, ledger or file is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from contracts.errors import StrandlineError
from strandline.terminal.console_output import AsJson, CommandOutput, Selected, Settings

Planned = Annotated[
    str,
    Parameter(
        help="Names of contracts or of their target tables, patterns such as 'crm_*', tag:NAME, "
        "source:BLOCK; all without any."
    ),
]
Full = Annotated[bool, Parameter(negative="", help="As of a run with --full.")]


def plan(
    *contracts: Planned,
    select: Selected = (),
    full: Full = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Show what a run would do: rows to read, changes of the table, checks, cost, and obstacles.

    The source's types and rights are compared with the contract, the rows past the watermark are
    counted, and the target's columns and settings are compared with what the contract says now.
    """
    screen = CommandOutput.of(as_json=json)
    with screen.waiting("Starting"):
        from blocks.lookup import block_lookup
        from contracts.loader import contract_files, select_contracts
        from strandline.commands.plan.plan_page import plan_data, plan_page
        from strandline.commands.plan.planned_load import PlannedLoad, planned_load
        from strandline.queries.open_lakehouse import Lakehouse
        from tasks.lifecycle.open_run import contracts_folder, session
        from tasks.run.spark_error_mapping import map_spark_errors
    block = block_lookup.settings(settings)
    folder = contracts_folder(block)
    words = (*contracts, *select)
    names = (
        select_contracts(words, folder) if words else [each.stem for each in contract_files(folder)]
    )
    with screen.waiting("Opening the lakehouse"):
        from contracts.loader import find_contract

        models = [find_contract(name, folder) for name in names]
        sources = [block_lookup.source(each.source.connection) for each in models]
        block.lakehouse.check()
        with map_spark_errors(block.lakehouse.catalog, "open"):
            lake = Lakehouse(block, session(block, *sources))
    plans: list[PlannedLoad] = []
    for model, source in zip(models, sources, strict=True):
        with screen.waiting(f"Planning {model.name}"), map_spark_errors(model.name, "plan"):
            plans.append(planned_load(model, source, lake, full=full))
    screen.answer(plan_data(plans), *plan_page(plans, width=screen.out.width))
    return _exit_code([error for each in plans for error in each.problems])


def _exit_code(problems: Sequence[StrandlineError]) -> int:
    return problems[0].exit_code if problems else 0
