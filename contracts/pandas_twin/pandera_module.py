"""A contract's source rows as an importable Python module with a pandera schema, for pandas.

Promise: the module needs pandas and pandera alone, and each of its checks says of a row what the
load says of it. What it can't say is named in its docstring, never left out silently.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from contracts.errors import ContractError
from contracts.model import Argument, Check, Contract, Scalar, Severity
from contracts.model.check_registry import RULES, Scope
from contracts.model.database_type_names import is_numeric
from contracts.pandas_twin import pandas_conditions, pandas_row_rules
from contracts.pandas_twin.condition_to_python import UnequalError, python_condition
from contracts.pandas_twin.java_patterns import python_pattern

_HEAD = '''\
"""The source rows of the contract {name}, version {version}, as a pandera schema.

Written by `strandline contracts pandera {name}`: write it anew when the contract changes.

    make_schema().validate(frame, lazy=True)

A frame has the source's columns, in any order. Naive times are in UTC. A check whose severity is
a warning warns.{left_out}
"""
'''
_PANDAS = "\n\nimport pandas as pd\nimport pandera.pandas as pa\n"
_COPIED = ("__future__", "contracts.pandas_twin.pandas_row_rules")
_SCHEMA = '''

def make_schema(
    as_of: datetime | None = None, *, refuse_warnings: bool = False
) -> pa.DataFrameSchema:
    """The schema of the source rows.

    Args:
        as_of: When the rows were read, with its zone; None: now.
        refuse_warnings: A check that only warns fails as well.
    """
    read_at = datetime.now(UTC) if as_of is None else as_of

    def check(name: str, keeps: Callable[..., Any], *, warns: bool = False) -> pa.Check:
        warning = warns and not refuse_warnings
        return pa.Check(keeps, name=name, ignore_na=False, raise_warning=warning)

'''
_FUNCTIONS = {"type": "readable_as"}
"""Rules whose function has another name."""
_Constants = Callable[[Check, Mapping[str, str]], Mapping[str, str]]


def pandera_module(contract: Contract) -> str:
    """The text of a Python module with `make_schema`, for the rows of the contract's source.

    Raises:
        ContractError: A constant of a check is no value of its column's type.
    """
    kinds = {column.name: column.type for column in contract.source.columns}
    said: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for check in contract.checks:
        reason = _reason_to_leave_out(check, kinds)
        if reason:
            left_out[check.id] = reason
        else:
            said[check.id] = _check(contract, check, kinds)
    lines = [*_columns(contract, said, kinds), *_frame_checks(contract, said)]
    body = "".join(f"    {line}\n" for line in ("return pa.DataFrameSchema(", *lines, ")"))
    conditions = any(check.rule == "condition" and check.id in said for check in contract.checks)
    head = _HEAD.format(
        name=_in_docstring(contract.name),
        version=_in_docstring(contract.version),
        left_out=_list_of(left_out),
    )
    return f"{head}{_rules(with_conditions=conditions)}{_SCHEMA}{body}"


def _rules(*, with_conditions: bool) -> str:
    """The source of the rules with one block of imports, and without the modules' docstrings."""
    modules = [pandas_row_rules, *([pandas_conditions] if with_conditions else [])]
    sources = [inspect.getsource(module) for module in modules]
    code = "\n".join(_after_imports(source) for source in sources)
    return f"{_imports(sources)}{code}\n"


def _imports(sources: Iterable[str]) -> str:
    """What the sources import, but for what is copied along."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    for node in (node for source in sources for node in ast.parse(source).body):
        if isinstance(node, ast.Import):
            plain |= {alias.name for alias in node.names} - {"pandas"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module not in _COPIED:
            named.setdefault(node.module, set()).update(alias.name for alias in node.names)
    lines = [
        *(f"import {name}" for name in sorted(plain)),
        *(f"from {name} import {', '.join(sorted(named[name]))}" for name in sorted(named)),
    ]
    return "\nfrom __future__ import annotations\n\n" + "\n".join(lines) + _PANDAS


def _after_imports(source: str) -> str:
    imports = [
        node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(source.splitlines()[imports[-1].end_lineno :])


def _in_docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _list_of(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return ""
    lines = "".join(f"\n- {name}: {reason}" for name, reason in left_out.items())
    return f"\n\nThese checks of the contract are not in it:\n{lines}"


def _reason_to_leave_out(check: Check, kinds: Mapping[str, str]) -> str:
    if check.threshold is not None:
        return "its limit is one of the whole batch"
    if check.about_target:
        return "it looks at the columns of the target"
    if RULES[check.rule].scope is not Scope.ROW:
        return f"{check.rule} needs more than one row"
    if check.rule == "condition" and not _is_said(check, kinds):
        return "pandas has no exact equal of an operation in its condition"
    if check.rule == "matches" and python_pattern(str(check.arguments["pattern"])) is None:
        return "Python's regular expressions have no equal of its pattern"
    return ""


def _columns(
    contract: Contract, said: Mapping[str, str], kinds: Mapping[str, str]
) -> Iterator[str]:
    yield "    columns={"
    for column in contract.source.columns:
        yield f"        {column.name!r}: pa.Column("
        yield "            nullable=True,"
        yield "            checks=["
        yield f"                check({f'type {column.type}'!r}, of_type({column.type!r})),"
        if not column.nullable:
            yield f"                check('not null', not_null({kinds[column.name]!r})),"
        for check in contract.checks:
            if check.id in said and check.columns == (column.name,):
                yield f"                {said[check.id]},"
        yield "            ],"
        yield "        ),"
    yield "    },"


def _frame_checks(contract: Contract, said: Mapping[str, str]) -> Iterator[str]:
    yield "    checks=["
    for check in contract.checks:
        if check.id in said and len(check.columns) != 1:
            yield f"        {said[check.id]},"
    yield "    ],"


def _check(contract: Contract, check: Check, kinds: Mapping[str, str]) -> str:
    """One check as the Python that makes it."""
    try:
        constants = _CONSTANTS[check.rule](check, kinds)
    except ValueError as error:
        raise ContractError(
            where=f"contract {contract.name}, check {check.id}",
            expected=f"constants of the type of {', '.join(check.columns)}",
            found="text that can't be read as one",
            next_step="Write dates as 2024-05-01 and times as 2024-05-01T12:00:00.",
        ) from error
    if len(check.columns) == 1:
        subject, maker = repr(kinds[check.columns[0]]), "each"
    else:
        subject, maker = repr({name: kinds[name] for name in check.columns}), "each_row"
    given = "".join(f", {name}={text}" for name, text in constants.items())
    warns = ", warns=True" if check.severity is Severity.WARN else ""
    rule = _FUNCTIONS.get(check.rule, check.rule)
    return f"check({check.id!r}, {maker}({subject}, {rule}{given}){warns})"


def _none(_check: Check, _kinds: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def _length(check: Check, _kinds: Mapping[str, str]) -> Mapping[str, str]:
    return {"length": repr(int(str(check.arguments["length"])))}


def _lengths(check: Check, _kinds: Mapping[str, str]) -> Mapping[str, str]:
    return {name: repr(int(str(value))) for name, value in check.arguments.items()}


def _type(check: Check, _kinds: Mapping[str, str]) -> Mapping[str, str]:
    return {"wanted": repr(str(check.arguments["type"]))}


def _sides(check: Check, kinds: Mapping[str, str]) -> Mapping[str, str]:
    """When and then, each as a function of the check's columns in their order."""
    names = {name: f"_{position}" for position, name in enumerate(check.columns)}
    head = f"lambda {', '.join(names.values())}: " if names else "lambda: "
    return {
        side: head + python_condition(str(text), kinds, names)
        for side, text in check.arguments.items()
        if text is not None
    }


def _is_said(check: Check, kinds: Mapping[str, str]) -> bool:
    try:
        _sides(check, kinds)
    except UnequalError:
        return False
    return True


def _listed(check: Check, kinds: Mapping[str, str]) -> Mapping[str, str]:
    kind = kinds[check.columns[0]]
    texts = [_constant(value, kind) for value in _values(check.arguments["values"])]
    return {"listed": f"({''.join(f'{text}, ' for text in texts)})"}


def _bounds(check: Check, kinds: Mapping[str, str]) -> Mapping[str, str]:
    given = {name: check.arguments.get(name) for name in ("low", "high")}
    return {
        name: _constant(value, kinds[check.columns[0]])
        for name, value in given.items()
        if value is not None and not isinstance(value, (tuple, Mapping))
    }


def _pattern(check: Check, _kinds: Mapping[str, str]) -> Mapping[str, str]:
    return {"pattern": repr(python_pattern(str(check.arguments["pattern"])))}


def _future(check: Check, _kinds: Mapping[str, str]) -> Mapping[str, str]:
    seconds = float(str(check.arguments.get("tolerance_seconds", 0)))
    return {"as_of": "read_at", "tolerance_seconds": repr(seconds)}


def _values(argument: Argument) -> tuple[Scalar, ...]:
    return tuple(argument) if isinstance(argument, tuple) else ()


def _constant(value: Scalar, kind: str) -> str:
    """A constant of the contract as the Python of a value of the column's type."""
    if is_numeric(kind):
        return repr(Decimal(str(value)))
    if kind not in ("date", "timestamp"):
        return repr(value)
    moment = pandas_row_rules.instant(str(value))
    if moment is None:
        message = "no moment"
        raise ValueError(message)
    if kind == "date":
        day: date = moment.date()
        return f"date({day.year}, {day.month}, {day.day})"
    return _as_call(moment)


def _as_call(moment: datetime) -> str:
    return f"datetime.fromisoformat({moment.isoformat()!r})"


_CONSTANTS: Mapping[str, _Constants] = {
    "required": _none,
    "not_blank": _none,
    "max_length": _length,
    "length": _lengths,
    "type": _type,
    "condition": _sides,
    "in_set": _listed,
    "between": _bounds,
    "matches": _pattern,
    "not_after": _none,
    "not_in_future": _future,
}
"""The arguments of a rule in `pandas_row_rules`, each as Python; the rules that one row decides."""
