"""What the modules of the project say, without being run: calls, texts, keys of mappings."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

__all__ = ["calls", "functions", "modules", "text_of"]

_ROOT = Path(__file__).parents[2]
_LAYERS = ("contracts", "history", "blocks", "tasks", "flows", "deployments", "strandline")


@cache
def modules() -> Mapping[str, ast.Module]:
    """Every module of the product by its path, parsed."""
    return {
        path.relative_to(_ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for layer in _LAYERS
        for path in sorted((_ROOT / layer).rglob("*.py"))
    }


def calls(*names: str) -> Iterator[ast.Call]:
    """Every call of a function or class of one of these names."""
    for tree in modules().values():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in names:
                    yield node


@cache
def functions() -> Mapping[str, ast.FunctionDef]:
    """Every function by its name; of several of one name the first."""
    found: dict[str, ast.FunctionDef] = {}
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, node)
    return found


def text_of(node: ast.expr, unknown: str = "...") -> str:
    """The text that an expression gives; what only a run knows is `unknown`, or all of it ""."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part, unknown) or unknown for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left, unknown) + text_of(right, unknown)
    return ""
