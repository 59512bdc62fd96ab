from __future__ import annotations

import re
from pathlib import Path

import pytest
from datacontract.data_contract import DataContract

from contracts.loader import LEDGERS, TABLES, problems

ROOT = Path(__file__).parents[2]
FILES = sorted([*TABLES.glob("*.yaml"), *LEDGERS.glob("*.yaml")])
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```ya?ml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def shown(page):
    """The blocks of a page that are whole contracts."""
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [block for block in blocks if block.startswith("apiVersion:") and "\nschema:" in block]


SHOWN = [(page.name, block) for page in PAGES for block in shown(page)]


def departures(**contract):
    """What the standard's own linter says, with the schema that it brings along."""
    run = DataContract(**contract, inline_references=False, all_errors=True).lint()
    assert run.checks
    return [(check.name, check.reason) for check in run.checks if check.result != "passed"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_standards_linter_accepts_what_is_shipped(path):
    assert departures(data_contract_file=str(path)) == []


@pytest.mark.parametrize(("page", "text"), SHOWN, ids=[page for page, _ in SHOWN])
def test_the_standards_linter_accepts_what_is_documented(page, text, tmp_path):
    name = re.search(r"^id: (\S+)$", text, re.MULTILINE)[1]
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")

    assert departures(data_contract_file=str(path)) == []
    assert problems(path) == ()


def test_a_whole_contract_is_documented():
    assert "contracts.md" in {page for page, _ in SHOWN}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: DataContract", "kind: Contract"),
        ("apiVersion: v3.1.0", "apiVersion: v3.1.9"),
        ("severity: error", "severety: error"),
        ("status: active", ""),
    ],
)
def test_the_linter_would_say_what_departs(old, new):
    text = (TABLES / "aircraft.yaml").read_text(encoding="utf-8")
    assert old in text

    assert departures(data_contract_str=text.replace(old, new, 1))
