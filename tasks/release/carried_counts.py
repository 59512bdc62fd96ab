"""What the snapshot of a copied or promoted history says of a run: later loads go on from it.

A load counts no row twice: up to which moment rows were judged is among its pipeline's counts.
"""

from __future__ import annotations

import json
from datetime import datetime

from history import LoadReport
from history.iceberg.current_snapshot import CurrentState
from history.model.load_report import REPORT
from history.release.release_record import Release
from tasks.run.run_context import PIPELINE


def pipeline_entries(
    state: CurrentState | None, release: Release, *, at: datetime
) -> dict[str, str]:
    """The entries of a snapshot's summary that tell of the release, and go on from a state.

    Args:
        state: The history that is copied or promoted.
        release: The release.
        at: When; timezone-aware.
    """
    before = {} if state is None else json.loads(state.properties.get(PIPELINE, "{}"))
    counts = {
        "run_id": f"release-{release.id}",
        "started": at.isoformat(),
        "score": None,
        "judged_until": before.get("judged_until"),
    }
    report = LoadReport("", None, published=True)
    return {PIPELINE: json.dumps(counts), REPORT: json.dumps(report.counts())}
