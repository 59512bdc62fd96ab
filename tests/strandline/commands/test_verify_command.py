from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from strandline.commands.verify_command import state_of, verify_data, verify_page
from strandline.terminal.console_output import plain
from tasks.run.step_results import DifferingKey, VerifyResult
from tests.strandline.examples import text_of

EQUAL = VerifyResult(
    contract="readings",
    target="lake.clinic.patients",
    read_at=datetime(2024, 5, 1, 12, 0, 3, tzinfo=UTC),
    rows_read=1_458,
    open_versions=1_456,
    only_in_source=0,
    only_in_table=0,
    differing=0,
    kept=0,
    refused=2,
)
DIFFERENT = replace(
    EQUAL,
    only_in_source=3,
    differing=1,
    kept=7,
    refused=0,
    keys=(
        DifferingKey("differs", '{"patient":4}'),
        DifferingKey("only in source", '{"patient":9}'),
    ),
)
REPAIRED = replace(DIFFERENT, batch_id="BATCH_20240501_120000_0a1b2c3d")


@pytest.mark.parametrize(
    ("found", "state"), [(EQUAL, "equal"), (DIFFERENT, "different"), (REPAIRED, "repaired")]
)
def test_the_state_is_in_the_title_and_in_the_json(found, state):
    assert state_of(found) == verify_data(found)["state"] == state
    first = text_of(*verify_page(found, width=100), width=100).splitlines()[0]
    assert first.split() == ["lake.clinic.patients", state]


def test_what_differs_is_counted_its_first_keys_are_named_and_the_repair_is_the_next_step():
    page = text_of(*verify_page(DIFFERENT, width=100), width=100)

    assert "2024-05-01 12:00:03 by the source's clock" in page
    assert "gone, and kept by contract" in page
    assert '{"patient":4}' in page
    assert "2 keys shown; --limit shows more" in page
    assert "next: strandline verify readings --repair" in page
    assert "quarantine" not in page


def test_an_equal_table_has_no_next_step_but_for_refused_rows():
    page = text_of(*verify_page(EQUAL, width=100), width=100)

    assert "--repair" not in page
    assert "kept" not in page
    assert "next: strandline quarantine readings" in page


def test_a_repaired_table_names_the_batch():
    page = text_of(*verify_page(REPAIRED, width=100), width=100)

    assert "BATCH_20240501_120000_0a1b2c3d" in page
    assert "--repair" not in page


def test_json_has_every_count_and_the_keys():
    assert plain(verify_data(DIFFERENT)) == {
        "state": "different",
        "contract": "readings",
        "target": "lake.clinic.patients",
        "read_at": "2024-05-01T12:00:03+00:00",
        "rows_read": 1_458,
        "open_versions": 1_456,
        "only_in_source": 3,
        "only_in_table": 0,
        "differing": 1,
        "kept": 7,
        "refused": 0,
        "keys": [
            {"found": "differs", "key": '{"patient":4}'},
            {"found": "only in source", "key": '{"patient":9}'},
        ],
        "batch_id": None,
    }
