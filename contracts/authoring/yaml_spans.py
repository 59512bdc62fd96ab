"""Where the parts of a YAML text lie, and which of them have comments.

PyYAML reads no comments; a part is changed only where it has none, so none is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["Part", "YamlText"]

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """An entry of a mapping or an item of a list, or the document.

    Attributes:
        path: The keys and positions that lead to it.
        start: The offset at which it begins: its key, or its dash.
        value: Its value's node.
        first: The number of its first line, from 0.
        last: The number of its last line.
        column: The column at which it begins.
        in_flow: It lies in braces or brackets, beside others on its line.
    """

    path: Path
    start: int
    value: Node
    first: int
    last: int
    column: int
    in_flow: bool

    @property
    def is_flow(self) -> bool:
        """Whether its value is in braces or brackets, or a single value."""
        return isinstance(self.value, ScalarNode) or bool(getattr(self.value, "flow_style", False))


class YamlText:
    """The parts of a text by their paths."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        self.parts: dict[Path, Part] = {}
        self._comments: frozenset[int] = frozenset()
        if node is not None:
            spans: list[tuple[int, int]] = []
            for part in _parts(node, (), in_flow=False):
                self.parts[part.path] = part
            _scalars(node, spans)
            self._comments = frozenset(_commented(text, sorted(spans)))

    def has_comment(self, path: Path) -> bool:
        """Whether a comment lies on its lines."""
        part = self.parts[path]
        return not self._comments.isdisjoint(range(part.first, part.last + 1))

    def is_under_comment(self, path: Path, known: Sequence[str] = ()) -> bool:
        """Whether a comment stands right above it, other than one of the known lines."""
        above = self.parts[path].first - 1
        return (
            above in self._comments
            and self._is_comment(above)
            and (self.lines[above].strip() not in known)
        )

    def _is_comment(self, line: int) -> bool:
        return self.lines[line].lstrip().startswith("#")


def _parts(node: Node, path: Path, *, in_flow: bool) -> Iterator[Part]:
    flows = in_flow or bool(getattr(node, "flow_style", False))
    if isinstance(node, MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            mark = key.start_mark
            yield Part(below, mark.index, value, mark.line, _last(value), mark.column, flows)
            yield from _parts(value, below, in_flow=flows)
    elif isinstance(node, SequenceNode):
        for position, value in enumerate(node.value):
            mark, under = value.start_mark, (*path, position)
            # The dash is on the line on which its item begins.
            column = mark.column - (0 if flows else 2)
            start = mark.index - (0 if flows else 2)
            yield Part(under, start, value, mark.line, _last(value), column, flows)
            yield from _parts(value, under, in_flow=flows)


def _last(node: Node) -> int:
    """The number of the node's last line; the mark of a block's end lies behind what follows it."""
    if isinstance(node, ScalarNode) or getattr(node, "flow_style", False):
        end = node.end_mark
        behind = end.column == 0 and end.line > node.start_mark.line
        return end.line - 1 if behind else end.line
    if isinstance(node, MappingNode):
        return max((_last(value) for _, value in node.value), default=node.start_mark.line)
    return max((_last(value) for value in node.value), default=node.start_mark.line)


def _scalars(node: Node, spans: list[tuple[int, int]]) -> None:
    if isinstance(node, ScalarNode):
        spans.append((node.start_mark.index, node.end_mark.index))
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            _scalars(key, spans)
            _scalars(value, spans)
    else:
        for value in node.value:
            _scalars(value, spans)


def _commented(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[int]:
    """The numbers of the lines with a comment: a # outside of every value."""
    offset, position = 0, 0
    for number, line in enumerate(text.splitlines(keepends=True)):
        for at, letter in enumerate(line):
            if letter != "#" or (at and not line[at - 1].isspace()):
                continue
            index = offset + at
            while position < len(spans) and spans[position][1] <= index:
                position += 1
            if position == len(spans) or index < spans[position][0]:
                yield number
                break
        offset += len(line)
