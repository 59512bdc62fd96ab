"""Read: one look at the source, from which everything of a load comes.

Promise: the bounds, the rows and what they are compared with are all of one state of the source.
What is tried again is the whole look: half of one and half of another would be of no state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.extract import extract
from tasks.protect import protect
from tasks.run.run_context import Run
from tasks.run.spark_error_mapping import translated
from tasks.run.step_results import Extraction, StagedBatch


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch as it was read: staged, with the run of which the source's kind is known."""

    run: Run
    extraction: Extraction
    staged: StagedBatch


@task(name="read", cache_policy=NO_CACHE, persist_result=False)
def read(run: Run) -> Taken:
    """Extract and protect, in one read of the source.

    Raises:
        StrandlineError: As the two steps.
    """
    with translated(run.contract.name, "extract"), run.source.reading() as reading:
        extraction = extract(run, reading)
        run = replace(run, contract=extraction.contract)
        return Taken(run, extraction, protect(run, extraction, reading))
