"""Values as the lines of a contract file: in one line or two where they fit, else key by key.

Promise: the lines are YAML of the values as they were given, in their order.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping

import yaml

__all__ = ["WIDTH", "flow", "item_lines", "mapping_lines"]

WIDTH = 100
_STEP = "  "


def flow(value: object) -> str:
    """The value in one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False
    )
    line = text.removesuffix("...\n").strip()
    # Quotes in quotes are doubled by PyYAML, which few read.
    return json.dumps(value, ensure_ascii=False) if line.startswith("'''") else line


def mapping_lines(values: Mapping[str, object], indent: str) -> Iterator[str]:
    """The lines of a mapping, one entry or more a line."""
    for key, value in values.items():
        lead = f"{indent}{flow(key)}:"
        line = f"{lead} {flow(value)}"
        if len(line) <= WIDTH or not isinstance(value, str | dict | list) or not value:
            yield line
        elif isinstance(value, str):
            yield from _text_lines(lead, value, indent + _STEP)
        elif isinstance(value, dict):
            yield lead
            yield from mapping_lines(value, indent + _STEP)
        else:
            yield from _list_lines(lead, value, indent + _STEP)


def item_lines(value: object, indent: str) -> Iterator[str]:
    """The lines of an item of a list."""
    line = f"{indent}- {flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, dict) or not value:
        yield line
    elif (wrapped := _in_two_lines(value, indent)) is not None:
        yield from wrapped
    else:
        for number, text in enumerate(mapping_lines(value, indent + _STEP)):
            yield f"{indent}- {text.removeprefix(indent + _STEP)}" if number == 0 else text


def _in_two_lines(value: Mapping[str, object], indent: str) -> tuple[str, str] | None:
    """A mapping in braces over two lines; None where it does not fit."""
    entries = [flow({key: each})[1:-1] for key, each in value.items()]
    for cut in range(len(entries) - 1, 0, -1):
        first = f"{indent}- {{{', '.join(entries[:cut])},"
        second = f"{indent}   {', '.join(entries[cut:])}}}"
        if len(first) <= WIDTH:
            return (first, second) if len(second) <= WIDTH else None
    return None


def _list_lines(lead: str, values: list[object], indent: str) -> Iterator[str]:
    """A list of mappings item by item; other values side by side, over as many lines as needed."""
    yield lead
    if any(isinstance(value, dict | list) for value in values):
        for value in values:
            yield from item_lines(value, indent)
        return
    line = f"{indent}["
    for number, value in enumerate(values):
        word = flow([value])[1:-1] + ("]" if number == len(values) - 1 else ", ")
        if len(line) + len(word.rstrip()) > WIDTH:
            yield line.rstrip()
            line = f"{indent} "
        line += word
    yield line


def _text_lines(lead: str, text: str, indent: str) -> Iterator[str]:
    """A long text, folded where that gives the same text back."""
    lines = textwrap.wrap(text, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    is_plain = text == " ".join(lines) and text.isprintable() and not text.startswith((" ", "#"))
    if not is_plain:
        yield f"{lead} {flow(text)}"
        return
    yield f"{lead} >-"
    yield from (indent + line for line in lines)
