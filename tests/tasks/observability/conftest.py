from __future__ import annotations

import pytest

from blocks.source_database import SourceDatabase
from tasks.lifecycle.open_run import run_of
from tasks.observability.ledger_tables import ensure_namespaces_and_ledgers
from tests.strandline.examples import AIRCRAFT, NOW
from tests.strandline.lakes import run_settings_in


@pytest.fixture(scope="module")
def run(spark, postgres, tmp_path_factory):
    settings = run_settings_in(tmp_path_factory.mktemp("quality"), postgres, "quality_ledger")
    source = SourceDatabase(
        host=postgres.host,
        port=postgres.port,
        database="postgres",
        user=postgres.user,
        password=postgres.password,
    )
    session = settings.spark.session(settings.lakehouse)
    ensure_namespaces_and_ledgers(session, settings, AIRCRAFT.namespace)
    return run_of(AIRCRAFT, settings, source, session, batch_id="b1", run_id="r1", started=NOW)
