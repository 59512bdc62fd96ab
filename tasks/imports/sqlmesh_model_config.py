"""What a SQLMesh model of a kind SCD_TYPE_2 says: its `MODEL (...)`, read word by word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlglot import Token, TokenType, tokenize
from sqlglot.errors import SqlglotError

from tasks.imports.peer_history import PeerHistory, Relation, chosen, read_text, unreadable

__all__ = ["sqlmesh_history"]

_KINDS = ("SCD_TYPE_2", "SCD_TYPE_2_BY_TIME", "SCD_TYPE_2_BY_COLUMN")
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET)


def sqlmesh_history(path: Path, name: str | None) -> PeerHistory:
    """The model of a file.

    Args:
        path: A `.sql` file that begins with `MODEL (...);`.
        name: The model's; None: whatever it is called.

    Raises:
        NotFoundError: There is no such file, or its model is another one.
        SettingsError: It has no model of a kind SCD_TYPE_2, or one that can't be read off.
    """
    text, where = read_text(path), str(path)
    try:
        tokens = tokenize(text.partition(";")[0])
    except SqlglotError:
        tokens = []
    if len(tokens) < 3 or tokens[0].text.upper() != "MODEL":  # noqa: PLR2004 - MODEL ( )
        raise unreadable(where, "a SQLMesh model: MODEL (...); and its query", "something else")
    properties = _properties(tokens[1:], where)
    words = properties.get("kind", [])
    kind = words[0].text.upper() if words else ""
    if kind not in _KINDS:
        raise unreadable(
            where,
            f"a model of kind {' or '.join(_KINDS[1:])}",
            "another kind",
            "Only these keep a history.",
        )
    details = _properties(words[1:], where) if len(words) > 1 else {}
    model = _text(properties.get("name", []))
    by_column = kind == "SCD_TYPE_2_BY_COLUMN"
    compared = _names(details.get("columns", [])) if by_column else ()
    found = PeerHistory(
        tool="SQLMesh",
        name=model,
        history=_relation(model),
        source=None,
        key=_names(details.get("unique_key", [])),
        valid_from=_text(details.get("valid_from_name", [])) or "valid_from",
        valid_to=_text(details.get("valid_to_name", [])) or "valid_to",
        stamp=None if by_column else _text(details.get("updated_at_name", [])) or "updated_at",
        compared=() if compared == ("*",) else compared,
        closes_absent=_text(details.get("invalidate_hard_deletes", [])).lower() == "true",
    )
    return chosen({model: found}, name, path)


def _properties(tokens: list[Token], where: str) -> Mapping[str, list[Token]]:
    """By name in lower case, the words of each property of a list in parentheses."""
    if len(tokens) < 2 or tokens[0].token_type not in _OPENING:  # noqa: PLR2004 - ( )
        raise unreadable(where, "properties in parentheses", "something else")
    parts: list[list[Token]] = [[]]
    depth = 1
    for token in tokens[1:]:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth == 0:
            break
        if depth == 1 and token.token_type is TokenType.COMMA:
            parts.append([])
        else:
            parts[-1].append(token)
    if depth:
        raise unreadable(where, "properties in parentheses", "a parenthesis that is not closed")
    return {part[0].text.lower(): part[1:] for part in parts if part}


def _names(tokens: list[Token]) -> tuple[str, ...]:
    """A name, or the names of a list."""
    marks = {*_OPENING, *_CLOSING, TokenType.COMMA}
    return tuple(token.text for token in tokens if token.token_type not in marks)


def _text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def _relation(model: str) -> Relation | None:
    """Schema and table of a model's name, which may begin with a catalog."""
    parts = model.split(".")
    return (parts[-2], parts[-1]) if len(parts) > 1 else None
