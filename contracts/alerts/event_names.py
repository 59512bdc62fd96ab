"""The names of a load's events and their resources, which pipeline and alerts share."""

from __future__ import annotations

from typing import Final

BATCH_JUDGED: Final = "strandline.batch.judged"
"""A batch was validated; the label `strandline.verdict` is `pass` or `fail`."""

CHECK_FAILED: Final = "strandline.check.failed"
"""A check that rows of a batch failed, or whose limit the batch did not keep; once per check."""

ANOMALY_FOUND: Final = "strandline.anomaly.found"
"""Rows of a batch are unlike the others, or a figure of it is unlike those of earlier batches."""

TABLE_PUBLISHED: Final = "strandline.table.published"
"""A load published a new state of a table."""

TABLE_UNCHANGED: Final = "strandline.table.unchanged"
"""A load found nothing to change in a table."""

TABLE_WATCHED: Final = "strandline.table.watched"
"""From now on a table is expected to be loaded, though it may never have been."""

SERVICE_LEVEL_MISSED: Final = "strandline.service-level.missed"
"""A load took longer than its contract promises; once per promise."""

CIRCUIT_OPENED: Final = "strandline.circuit.opened"
"""A source database failed so often, or again when it was tried, that runs leave it alone."""

CIRCUIT_HALF_OPENED: Final = "strandline.circuit.half-opened"
"""One run tries a source database that was left alone."""

CIRCUIT_CLOSED: Final = "strandline.circuit.closed"
"""A source database answers again, or a person closed its circuit."""

BACKUP_MADE: Final = "strandline.backup.made"
"""A backup of catalog and key ring was written and read back."""

MAINTAINED: Final = "strandline.lakehouse.maintained"
"""All tables and ledgers were kept up, and stages, refused rows and keys looked through."""

ALERT_TEST: Final = "strandline.alert.test"
"""Nothing happened: a user tests that an alert arrives."""

VERDICT: Final = "strandline.verdict"
CONTRACT: Final = "strandline.contract"

TAG: Final = "strandline-alerts"
"""Automations with this tag are ours: changed and removed to agree with the alert file."""

ID: Final = "prefect.resource.id"
NAME: Final = "prefect.resource.name"


def automation_name(alert: str) -> str:
    """The name of an alert's automation on the server's pages."""
    return f"Strandline alert: {alert}"


def table_resource(target: str) -> str:
    """The resource id of a table, named as its contract does: `namespace.table`."""
    return f"strandline.table.{target}"


def source_resource(connection: str) -> str:
    """The resource id of a source database, named by its connection."""
    return f"strandline.source.{connection}"


def lakehouse_resource(catalog: str) -> str:
    """The resource id of a lakehouse, named by its catalog."""
    return f"strandline.lakehouse.{catalog}"


def alert_resource(alert: str) -> str:
    """The resource id of an alert."""
    return f"strandline.alert.{alert}"
