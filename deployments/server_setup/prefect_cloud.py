"""What only Prefect Cloud has, and what Strandline uses in its place on a server of one's own."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CLOUD_ONLY"]

CLOUD_ONLY: Mapping[str, str] = {
    "service level agreements (sla: in prefect.yaml)": "automations with proactive triggers",
    "incoming webhooks": "the server's API",
    "roles, service accounts, audit log": "one login, and a proxy in front of the server",
    "managed and push work pools": "a pool with a worker",
    "the page of asset lineage": "the ledger data_lineage",
}
"""The substitute of each feature of Prefect Cloud. Strandline needs none of the features."""
