"""The page of what runs tell: Prefect events and artifacts, OpenLineage facets, metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from contracts.alerts import event_names
from contracts.loader import LEDGERS, load_ledger
from tools.reference_pages.code_index import calls, functions, modules, text_of
from tools.reference_pages.markdown import code, one_line, table

__all__ = ["events_page"]

_NAMES_MODULE = "contracts/alerts/event_names.py"
_EMITTERS = ("_emit", "emit_event", "CircuitEvent")
_ARTIFACTS = (
    *("create_table_artifact", "create_markdown_artifact", "create_image_artifact"),
    "create_link_artifact",
)
_LINEAGE = "tasks/observability/open_lineage/"
_FACET = re.compile(r"openlineage\.client\.generated\.")
_HEAD = """\
# Events, artifacts, metrics

From the code, by `python -m tools.reference_pages`. All of it has names and counts, never a value
of a row.

## Prefect events

[Alerts](../alerts.md) wait for them; automations of your own can. They relate to their flow run.

"""
_TABLES = """
## Prefect artifacts

They are on the page of the flow run, and under their key with those of earlier runs.

"""
_METRICS = """
## Metrics

Each load appends a row to the ledger [run_metrics](tables.md#run_metrics):

"""
_OPEN_LINEAGE = """
## OpenLineage

Facets of the [run events](../lineage.md#openlineage) that a receiver is told:

"""


def events_page() -> str:
    """The page."""
    metrics = [
        (code(each.name), each.description)
        for each in load_ledger(LEDGERS / "run_metrics.yaml").columns
    ]
    return (
        f"{_HEAD}{table(('event', 'when', 'labels', 'payload'), _events())}"
        f"{_TABLES}{table(('key', 'kind', 'what it shows'), sorted({*_artifacts()}))}"
        f"{_METRICS}{table(('column', 'what it counts'), metrics)}"
        f"{_OPEN_LINEAGE}{table(('facet', 'class of the client'), sorted({*_facets()}))}"
    )


def _events() -> Iterator[tuple[str, str, str, str]]:
    emitted = _emitted()
    for constant, (text, about) in _constants().items():
        if constant in emitted:
            labels, payload = emitted[constant]
            yield code(text), about, ", ".join(map(code, labels)), ", ".join(map(code, payload))


def _constants() -> Mapping[str, tuple[str, str]]:
    """The names of events, each with the docstring below it."""
    body = modules()[_NAMES_MODULE].body
    return {
        statement.target.id: (
            str(getattr(event_names, statement.target.id)),
            one_line(after.value.value),
        )
        for statement, after in pairwise(body)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }


@cache
def _emitted() -> Mapping[str, tuple[list[str], list[str]]]:
    """By the constant of an event, the labels of its resource and the keys of its payload."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for call in calls(*_EMITTERS):
        parts: dict[str | None, ast.expr] = dict(
            zip(("event", "resource", "payload"), call.args, strict=False)
        )
        parts |= {each.arg: each.value for each in call.keywords}
        labels = [key for key in _keys(parts.get("resource")) if not key.startswith("prefect.")]
        payload = list(dict.fromkeys(_keys(parts.get("payload"))))
        for constant in _named(parts.get("event")):
            found.setdefault(constant, (labels, payload))
    return found


def _named(node: ast.expr | None) -> Iterator[str]:
    """The constants that the first argument may be."""
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.Attribute) and part.attr.isupper():
            yield part.attr
        if isinstance(part, ast.Name) and part.id.startswith("_") and part.id.isupper():
            yield from _named(_assigned(part.id))


def _assigned(name: str) -> ast.expr | None:
    for tree in modules().values():
        for node in tree.body:
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            if isinstance(node, ast.AnnAssign | ast.Assign) and [name] == [
                each.id for each in targets if isinstance(each, ast.Name)
            ]:
                return node.value
    return None


def _keys(node: ast.expr | None) -> Iterator[str]:
    """The keys of a mapping, those of the functions too that it is made of."""
    match node:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                yield from _keys(value) if key is None else [_key(key)]
        case ast.BinOp(left=left, right=right):
            yield from (*_keys(left), *_keys(right))
        case ast.Call(func=ast.Name(id="dict"), args=[mapping]):
            yield from _keys(mapping)
        case ast.Call(func=ast.Name(id=name)) | ast.Attribute(attr=name):
            yield from _returned(name)
        case ast.Name(id=name):
            yield from _returned(f"backup_{name}")


def _key(node: ast.expr) -> str:
    return (
        str(getattr(event_names, node.attr)) if isinstance(node, ast.Attribute) else text_of(node)
    )


def _returned(name: str) -> Iterator[str]:
    """The keys of the mapping that the function or property of this name returns."""
    for node in ast.walk(functions()[name]) if name in functions() else ():
        if isinstance(node, ast.Return):
            yield from _keys(node.value)


def _artifacts() -> Iterator[tuple[str, str, str]]:
    for call in calls(*_ARTIFACTS):
        parts = {each.arg: each.value for each in call.keywords}
        kind = call.func.id.split("_")[1] if isinstance(call.func, ast.Name) else ""
        if isinstance(parts["key"], ast.Name):
            # In a loop over the mapping of that name, key by key.
            match _assigned("_ARTIFACTS"):
                case ast.Dict(keys=keys, values=texts):
                    for key, text in zip(keys, texts, strict=True):
                        yield code(text_of(key) if key else ""), kind, text_of(text)
        else:
            for about in _choices(parts["description"]):
                yield code(_artifact_key(parts["key"])), kind, about


def _choices(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _choices(node.orelse)
    else:
        yield text_of(node, "…")


def _artifact_key(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "artifact_key":
        return f"{text_of(node.args[0])}-CONTRACT"
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return text_of(node, "CONTRACT")


def _facets() -> Iterator[tuple[str, str]]:
    for name, tree in modules().items():
        for node in ast.walk(tree) if name.startswith(_LINEAGE) else ():
            if isinstance(node, ast.ImportFrom) and _FACET.match(node.module or ""):
                for alias in node.names:
                    if alias.name.endswith("Facet") and alias.name not in ("JobFacet", "RunFacet"):
                        yield _FACET.sub("", node.module or ""), code(alias.name)
