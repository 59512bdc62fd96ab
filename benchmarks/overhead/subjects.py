"""The timed calls: the functions of a load, and the flow that calls them.

Also seven steps that do nothing, called and orchestrated: the cost of orchestration without the
noise of Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import uuid4

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from benchmarks.overhead.place import CONTRACT
from flows.load_table import load_table
from tasks.audit import audit
from tasks.extract import extract
from tasks.lifecycle.open_run import open_run
from tasks.merge import merge
from tasks.protect import protect
from tasks.publish import publish
from tasks.record_lineage_and_metrics import record
from tasks.run.progress_listeners import STEPS
from tasks.validate import validate

__all__ = ["BARE", "FLOWS"]

_SETTINGS = "default"


def load_bare() -> None:
    """The steps of `flows.load_table`, without Prefect."""
    now = datetime.now(UTC)
    with open_run(CONTRACT, _SETTINGS, run_id=str(uuid4()), started=now) as load:
        run = load.run
        with run.source.reading() as reading:
            extraction = extract.fn(run, load.contract, reading)
            staged = protect.fn(run, extraction, reading)
        verdict = validate.fn(run, extraction.contract, staged)
        merged = merge.fn(run, extraction.contract, staged, verdict)
        audit.fn(run, merged)
        report = publish.fn(run, merged)
        record.fn(run, staged, verdict, report, load.watch)


def load_as_flow() -> None:
    """The flow, as a worker runs it."""
    load_table(CONTRACT, _SETTINGS)


def _nothing(step: str) -> str:
    return step


_nothing_as_task = task(name="nothing", cache_policy=NO_CACHE, persist_result=False)(_nothing)


def empty_bare() -> None:
    """As many calls as a load has steps."""
    for step in STEPS:
        _nothing(step)


@flow(name="empty", persist_result=False)
def empty_as_flow() -> None:
    """As many tasks as a load has steps."""
    for step in STEPS:
        _nothing_as_task(step)


BARE: Mapping[str, Callable[[], object]] = {"load": load_bare, "empty": empty_bare}
FLOWS: Mapping[str, Callable[[], object]] = {"load": load_as_flow, "empty": empty_as_flow}
