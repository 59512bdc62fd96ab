from __future__ import annotations

import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest

from contracts import errors
from contracts.errors import StrandlineError

PARTS = {
    "where": "contracts/tables/aircraft.yaml",
    "expected": "a business key",
    "found": "none",
    "next_step": "Name one under primaryKey.",
}
CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, StrandlineError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_comes_back_from_pickle_with_all_it_said(kind: type[StrandlineError]):
    error = kind(**PARTS)

    returned = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(returned) is kind
    assert str(returned) == str(error)
    assert {name: getattr(returned, name) for name in PARTS} == PARTS


@pytest.mark.parametrize("kind", CLASSES)
def test_a_message_says_where_what_was_expected_what_was_found_and_what_to_do(
    kind: type[StrandlineError],
):
    for part in PARTS.values():
        assert part in str(kind(**PARTS))


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_can_not_be_raised_without_saying_all_four(kind: type[StrandlineError]):
    for missing in PARTS:
        with pytest.raises(TypeError, match=missing):
            kind(**{name: value for name, value in PARTS.items() if name != missing})


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_docstring_of_its_own_and_an_exit_code(kind: type[StrandlineError]):
    assert vars(kind)["__doc__"]
    assert 0 < kind.exit_code < 126


def test_the_branches_have_different_exit_codes():
    branches = StrandlineError.__subclasses__()

    assert len({branch.exit_code for branch in branches}) == len(branches) == 4


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = {}
    parents = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^([\s│├└─]*)(\w+Error)\b", line):
            depth = (len(found[1]) - 4) // 4
            parents[depth] = found[2]
            drawn[found[2]] = parents.get(depth - 1, "Exception")

    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in CLASSES if kind.__base__}


def test_every_error_is_exported_in_order():
    assert errors.__all__ == sorted(kind.__name__ for kind in CLASSES)


RUN_BY_PREFECT = [
    node
    for room in ("flows", "tasks")
    for path in sorted((Path(__file__).parents[2] / room).rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef)
    and any(ast.unparse(each).startswith(("flow(", "task(")) for each in node.decorator_list)
]
"""Flows, and tasks that are no steps: `tasks.run.step_decorator` maps what a step raises."""


@pytest.mark.parametrize("run", RUN_BY_PREFECT, ids=lambda run: run.name)
def test_nothing_lets_an_exception_out_whose_text_prefect_would_keep(run: ast.FunctionDef):
    innermost = ast.unparse(run.decorator_list[-1])

    assert innermost.startswith("without_unexpected_errors(")


def test_the_flows_and_tasks_are_found():
    assert {run.name for run in RUN_BY_PREFECT} >= {
        *("load_table", "load_tables", "upkeep", "rotate_keys"),
        *("keep_up", "keep_up_ledgers", "rotate_table_key"),
    }
