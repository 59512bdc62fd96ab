"""The generated pages of docs/reference are what the code says, and leave nothing out."""

from __future__ import annotations

import re

import pytest

from blocks.lookup.local_block_file import TYPES
from contracts import errors
from contracts.alerts import event_names
from contracts.loader import LEDGERS
from strandline.help_examples import EXAMPLES
from tools.reference_pages.__main__ import FOLDER, PAGES, stale
from tools.reference_pages.markdown import table


def headings(page: str) -> set[str]:
    text = (FOLDER / page).read_text(encoding="utf-8")
    return {*re.findall(r"^##+ (.+)$", text, re.MULTILINE)}


def test_the_pages_are_what_the_code_says():
    assert stale() == [], "python -m tools.reference_pages"


def test_each_error_block_ledger_and_command_has_a_section():
    assert headings("errors.md") == {*errors.__all__} - {"StrandlineError"}
    assert headings("blocks.md") == {*TYPES}
    assert headings("tables.md") >= {path.stem for path in LEDGERS.glob("*.yaml")}
    assert headings("commands.md") == {f"strandline {command}" for command in EXAMPLES}


def test_each_event_is_there_with_what_it_carries():
    text = (FOLDER / "events.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(strandline\.\S+)` \| (.*) \|$", text, re.MULTILINE))
    names = {
        value
        for name, value in vars(event_names).items()
        if name.isupper() and re.fullmatch(r"strandline\.[\w-]+\.[\w-]+", str(value))
    }  # fmt: skip

    assert {*rows} == names
    assert [name for name, row in rows.items() if not row.endswith("`")] == []
    assert "`rows_refused`" in rows[event_names.BATCH_JUDGED]
    assert "`next_probe`" in rows[event_names.CIRCUIT_OPENED]


@pytest.mark.parametrize("page", PAGES)
def test_a_table_has_as_many_cells_in_each_row_as_in_its_head(page):
    lines = (FOLDER / page).read_text(encoding="utf-8").splitlines()
    cells = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]

    assert [
        line
        for line, here, before in zip(lines[1:], cells[1:], cells, strict=False)
        if here and before and here != before
    ] == []


def test_a_bar_ends_no_cell():
    assert table(("a", "b"), [("one | two", "three")]).endswith("| one \\| two | three |\n")
