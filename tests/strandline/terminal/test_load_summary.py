from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from strandline.terminal.console_output import plain
from strandline.terminal.load_summary import load_data, load_page
from tests.strandline.examples import AIRCRAFT, ENHANCED, summary, text_of

CONTRACTS = {"aircraft": AIRCRAFT, "new_source_table": ENHANCED}


def page(*summaries, width=140) -> str:
    return text_of(*load_page(summaries, CONTRACTS, width=width), width=width)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("rows read", "12,345"),
        ("refused", "7"),
        ("ignored", "42"),
        ("known already", "3,400"),
        ("versions opened", "8,000"),
        ("versions closed", "1,234"),
        ("late", "5"),
        ("deleted", "2"),
        ("quality", r"98.76% \(at least 95% wanted\)"),
        ("took", "1 min 23 s"),
    ],
)
def test_one_load_is_told_with_all_its_counts(label: str, value: str):
    assert re.search(rf"^{label}\s+{value}\s*$", page(summary()), flags=re.MULTILINE)


def test_reasons_come_with_their_counts_those_that_refused_first():
    text = page(summary())

    found = re.findall(r"(carrier_required|conflict|tail_number_form).*?(\d+)  +(\w+)", text)
    assert found == [
        ("carrier_required", "3", "refused"),
        ("tail_number_form", "7", "warned"),
        ("conflict", "4", "refused"),
    ]
    assert "destination_required" not in text


def test_what_a_source_was_taken_for_is_told_where_its_contract_does_not_say():
    taken = replace(summary(), source_kind="state", taken_because="a key says so")

    assert re.search(r"^source read as\s+state, as a key says so", page(taken), re.MULTILINE)
    assert load_data(taken)["source_kind_taken_because"] == "a key says so"
    assert "source read as" not in page(summary())


def test_it_says_what_to_type_next():
    text = page(summary())

    assert "next: strandline history aircraft TAIL_NUMBER" in text
    assert "next: strandline quarantine aircraft" in text


def test_the_quarantine_is_not_named_when_nothing_was_refused():
    assert "strandline quarantine" not in page(summary(refused=0))


def test_several_loads_are_lines_of_one_table():
    text = page(summary(), summary("new_source_table", published=False))

    assert re.search(r"aircraft\s+published\s+12,345\s+7\s+42\s+3,400\s+8,000\s+1,234", text)
    assert re.search(r"new_source_table\s+unchanged", text)


def test_several_loads_fit_a_terminal_of_80_columns_by_leaving_out_the_lesser_counts():
    text = page(summary(), summary("new_source_table"), width=80)

    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert re.search(r"aircraft +published +12,345 +7 +8,000 +98.76% +1 min 23 s", text)
    assert "with more room: ignored, known, closed, late, deleted" in text


def test_several_loads_on_a_narrow_terminal_are_blocks():
    text = page(summary(), summary("new_source_table"), width=40)

    assert max(len(line.rstrip()) for line in text.splitlines()) <= 40
    assert len(re.findall(r"^opened\s+8,000\s*$", text, flags=re.MULTILINE)) == 2


def test_the_data_goes_through_json_whole():
    told = json.loads(json.dumps(plain(load_data(summary()))))

    assert told["rows_refused"] == 7
    assert told["rows_known"] == 3_400
    assert told["seconds"] == 83.4
    assert told["started"] == "2024-05-01T12:00:00+00:00"
    assert told["reasons"][0] == {
        "check": "carrier_required",
        "columns": ["carrier"],
        "rows": 3,
        "severity": "refuse",
    }
