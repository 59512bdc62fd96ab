"""The encryption key of one table rotated: the flow.

`python -m flows.rotate_keys CONTRACT` runs it from the shell.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from prefect import flow
from prefect.runtime import flow_run

from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import ContractName, SettingsName
from flows.shell_exit_codes import exit_code
from tasks.key_rotation.rotate_table_key import RotationOutcome, rotate_table_key
from tasks.lifecycle.open_run import known_contracts
from tasks.run.unexpected_errors import without_unexpected_errors


@flow(
    name="rotate-keys",
    flow_run_name="rotate-keys-of-{contract}",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("rotate-keys")
def rotate_keys(
    contract: ContractName, settings: SettingsName = "default", rewrite: bool = False
) -> RotationOutcome:
    """Make a new encryption key for a table; what it encrypted before stays readable.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        rewrite: Encrypt again what older keys encrypted, on a branch that is audited first.
    """
    (name,) = known_contracts([contract], settings)
    return rotate_table_key(
        name,
        settings,
        run_id=str(flow_run.get_id()),
        at=datetime.now(UTC),
        rewrite=rewrite,
    )


if __name__ == "__main__":
    sys.exit(exit_code(rotate_keys, sys.argv[1]))
