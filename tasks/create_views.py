"""The view of current rows, created once a table has rows, and again when it gains columns.

Promise: the view is optional. A catalog that keeps no views, or refuses this one, is logged; the
load is not affected.
"""

from __future__ import annotations

from prefect.logging import get_run_logger
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from history import HistorySettings
from history.reading.sql_views import create_views, current_view
from tasks.run.run_context import Run


def create_target_views(run: Run, settings: HistorySettings) -> None:
    """Create the views over the run's target, where the catalog can."""
    log = get_run_logger()
    try:
        created = create_views(run.spark, run.target, settings)
    except (PySparkException, Py4JError) as error:
        # Its text may quote what the catalog stores; the log gets the error's type.
        log.warning("%s was not created: %s", current_view(run.target), type(error).__name__)
        return
    if not created:
        log.info("%s was not created: the catalog keeps no views", current_view(run.target))
