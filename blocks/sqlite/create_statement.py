"""What the statement that made a table of SQLite says beyond the catalog's own tables.

A column may be declared with any words as its type, which no parser of SQL expects. So the
statement is read by its tokens.

SQLite, "CREATE TABLE".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlglot import Token, TokenType, tokenize
from sqlglot.errors import SqlglotError

from contracts.model.source_relation import CheckConstraint

__all__ = ["checks_of", "computed_columns", "definitions_of"]

Tokens = Sequence[Token]


def definitions_of(statement: str) -> tuple[Tokens, ...]:
    """The columns and constraints between its outer parentheses, each as tokens; none: it has none.

    A statement that makes a table out of a query, or that is not understood, has none.
    """
    try:
        tokens = tokenize(statement, read="sqlite")
    except SqlglotError:
        return ()
    begin = next(
        (at for at, each in enumerate(tokens) if each.token_type is TokenType.L_PAREN), len(tokens)
    )
    if any(_word(each) in ("AS", "VIRTUAL") for each in tokens[:begin]):
        return ()
    found: list[list[Token]] = [[]]
    for token in _within(tokens, begin):
        depth = _depth(found[-1])
        if token.token_type is TokenType.COMMA and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return tuple(each for each in found if each)


def computed_columns(
    definitions: Sequence[Tokens], columns: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """By generated column, the columns that it is computed from.

    Args:
        definitions: Of the table.
        columns: Its columns as the catalog has them.
    """
    known = {name.lower(): name for name in columns}
    found = {}
    for tokens in definitions:
        name = known.get(tokens[0].text.lower())
        begin = _after(tokens, "AS")
        if name is None or begin is None:
            continue
        parts = [
            known[token.text.lower()]
            for token, following in _with_next(_within(tokens, begin))
            if token.token_type is not TokenType.STRING
            and token.text.lower() in known
            and (following is None or following.token_type is not TokenType.L_PAREN)
        ]
        found[name] = tuple(dict.fromkeys(parts))
    return found


def checks_of(statement: str, definitions: Sequence[Tokens]) -> Iterator[CheckConstraint]:
    """The CHECK constraints, each with its name, or else its number."""
    number = 0
    for tokens in definitions:
        for at, token in enumerate(tokens[:-1]):
            if _word(token) == "CHECK" and tokens[at + 1].token_type is TokenType.L_PAREN:
                number += 1
                inner = [*_within(tokens, at + 1)]
                condition = statement[inner[0].start : inner[-1].end + 1] if inner else ""
                named = at > 1 and _word(tokens[at - 2]) == "CONSTRAINT"
                name = tokens[at - 1].text if named else f"CHECK {number}"
                yield CheckConstraint(name, condition)


def _within(tokens: Tokens, begin: int) -> Iterator[Token]:
    """The tokens between the parenthesis at a place and the one that closes it."""
    depth = 0
    for token in tokens[begin:]:
        depth -= token.token_type is TokenType.R_PAREN
        if depth == 0 and token.token_type is TokenType.R_PAREN:
            return
        if depth > 0:
            yield token
        depth += token.token_type is TokenType.L_PAREN


def _depth(tokens: Tokens) -> int:
    kinds = [token.token_type for token in tokens]
    return kinds.count(TokenType.L_PAREN) - kinds.count(TokenType.R_PAREN)


def _after(tokens: Tokens, word: str) -> int | None:
    """The place of the parenthesis that follows a word."""
    for at, (token, following) in enumerate(_with_next(tokens)):
        if _word(token) == word and following is not None:
            return at + 1 if following.token_type is TokenType.L_PAREN else None
    return None


def _with_next(tokens: Iterator[Token] | Tokens) -> Iterator[tuple[Token, Token | None]]:
    listed = [*tokens]
    return zip(listed, [*listed[1:], None], strict=True)


def _word(token: Token) -> str:
    """A word of SQL; of a name in quotes and of text nothing."""
    quoted = token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
    return "" if quoted else token.text.upper()
