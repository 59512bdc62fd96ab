"""Green brought up to date by its own contract, and after each load of the published table.

Promise: what fails in green fails no load of the published table. It is kept in the release's
record, and readers are not shifted to a green that is not up to date.
"""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow
from prefect.logging import get_logger

from blocks.lookup import block_lookup
from contracts.errors import StrandlineError
from flows.flow_parameters import ContractName, SettingsName
from flows.flow_run import started, this_run
from flows.load_steps import merge_and_publish, read_and_validate
from history.release.release_record import Release, ReleaseState, release_of, write_record
from tasks.lifecycle.open_run import OpenRun, contract_and_settings, open_run, session
from tasks.lifecycle.settle_rows import settle_by_load
from tasks.record_lineage_and_metrics import record
from tasks.release.release_contract import code_version, contract_of_release
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import map_unexpected_errors, without_unexpected_errors

_LOADED = (ReleaseState.STARTING, ReleaseState.RUNNING)


@flow(name="load-green", flow_run_name="load-green-{contract}", persist_result=False)
@without_unexpected_errors("load-green")
def load_green(contract: ContractName, settings: SettingsName = "default") -> Release | None:
    """Bring the green table of a release up to date.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.

    Returns:
        The release, whose record says why green could not be loaded; None: there is none.
    """
    return bring_up_to_date(contract, settings)


def bring_up_to_date(contract: str, settings: str) -> Release | None:
    """Load green; how that ended is in the record of the release that is returned."""
    model, block = contract_and_settings(contract, settings)
    spark = session(block, block_lookup.source(model.source.connection))
    table = f"{block.lakehouse.catalog}.{model.target}"
    release = release_of(spark, table)
    if release is None or release.state not in _LOADED:
        return release
    failure = ""
    try:
        with map_unexpected_errors(model.name, block.state_directory):
            _load(release, settings)
    except StrandlineError as error:
        failure = f"{type(error).__name__}: expected {error.expected}; found {error.found}"
        get_logger("strandline").warning("%s: green was not loaded: %s", release.table, failure)
    now = release_of(spark, table)
    if now is None:
        return None
    loaded = now.loaded_at if failure else datetime.now(UTC).isoformat()
    return write_record(spark, now, failure=failure, loaded_at=loaded)


def follow(opened: OpenRun) -> bool:
    """Whether a load of the published table is to be followed by one of green, by this process."""
    run = opened.run
    with map_spark_errors(run.name, "release", publishes=True):
        release = release_of(run.spark, run.target)
    if release is None or not release.is_open:
        return False
    if release.code != code_version():
        get_logger("strandline").info(
            "%s: green is loaded by Strandline %s, which is not this one", run.target, release.code
        )
        return False
    return True


def _load(release: Release, settings: str) -> None:
    green = contract_of_release(release)
    run_id = this_run(f"{release.contract}/green/{release.id}/{release.loaded_at}")
    with open_run(
        release.contract, settings, run_id=run_id, started=started(), green=green
    ) as opened:
        run = opened.run
        valid, report = merge_and_publish(opened, read_and_validate(run, opened.contract))
        with map_spark_errors(run.name, "settle", publishes=True):
            settled = settle_by_load(run, valid.contract, valid.staged)
        record(
            run,
            valid.staged,
            valid.verdict,
            report,
            opened.watch,
            settled=settled,
            reason=f"load of the green table of release {release.id}",
        )
