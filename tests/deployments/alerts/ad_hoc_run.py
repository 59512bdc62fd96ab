"""A failing run with a temporary server, as `strandline run` makes one, that lasts long enough for
automations to act if there are any."""

from __future__ import annotations

import time
from contextlib import suppress

from prefect import flow

from contracts.errors import StepFailedError
from flows.failure_alert_hook import send_failure_alert
from strandline.commands.temporary_prefect_server import start_temporary_server


@flow(
    name="load-table",
    flow_run_name="ad-hoc",
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
def load_table() -> None:
    raise StepFailedError(where="x", expected="y", found="z", next_step="Do what is next.")


if __name__ == "__main__":
    start_temporary_server()
    with suppress(StepFailedError):
        load_table()
    time.sleep(15)
