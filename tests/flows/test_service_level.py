"""A load that takes longer than its contract promises: it is published, and it is said."""

from __future__ import annotations

from contracts.alerts import event_names as names
from flows.load_table import load_table
from tests.flows.readings import CONTRACT, FIRST, TABLE

PROMISES = "\nslaProperties:\n"
PROMISE = "  - {property: runTime, value: 0, unit: h}\n"


def test_a_load_that_is_too_long_is_published_and_told(make_workplace, tmp_path, told):
    text = CONTRACT.read_text(encoding="utf-8")
    assert PROMISES in text
    changed = text.replace(PROMISES, PROMISES + PROMISE)
    (tmp_path / "readings.yaml").write_text(changed, encoding="utf-8")
    place = make_workplace(tmp_path)
    place.execute(TABLE)
    place.update(*FIRST)

    summary = load_table("readings")

    assert summary.report.published
    (missed,) = [event for event in told() if event.event == names.SERVICE_LEVEL_MISSED]
    assert missed.resource["strandline.service-level"] == "runTime"
    assert missed.resource["prefect.resource.id"] == "strandline.table.clinic.patients"
    assert missed.payload["promised_hours"] == 0
    assert missed.payload["batch_id"] == summary.batch_id
