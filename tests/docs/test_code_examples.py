"""Code of the pages is code: YAML, JSON, TOML and Python that can be read.

Whole contracts among them pass the loader and the standard's linter, and block files their schema:
tests/contracts/test_datacontract_lint.py, tests/blocks/lookup/test_block_file_schema.py.
"""

from __future__ import annotations

import ast
import json
import tomllib

import pytest
import yaml

from tests.docs.pages import PAGES, fences, name_of

READERS = {
    "yaml": lambda text: [*yaml.safe_load_all(text)],
    "json": json.loads,
    "toml": tomllib.loads,
    "python": ast.parse,
}
EXAMPLES = [
    pytest.param(code, id=f"{name_of(page)}:{code.line}")
    for page in PAGES
    for code in fences(page)
    if code.language in READERS
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_can_be_read(code):
    assert READERS[code.language](code.text)


def test_examples_of_each_language_are_found():
    assert {each.values[0].language for each in EXAMPLES} == {*READERS}
