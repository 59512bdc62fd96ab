"""Text to plain values: YAML without duplicate keys, aliases, tags or surprises.

Promise: whatever the text, the result is a tree of dict, list, str, int, float, bool and None, or
a problem with line and column.
"""

from __future__ import annotations

from collections.abc import Hashable

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.error import Mark
from yaml.nodes import MappingNode, Node

from contracts.yaml_reading.problem_report import Report

_NO_ALIAS = "aliases are not used here: say it in full"
_NO_TAG = "tags are not used here"


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses constructs that a reader of the file would overlook."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Refuse aliases (they can refer to themselves) and explicit tags."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(_NO_ALIAS, event)
        if getattr(event, "tag", None) is not None:
            raise _refused(_NO_TAG, event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """Refuse a key that occurs twice: plain YAML would silently keep the last."""
        names: set[object] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise ConstructorError(None, None, "a key has to be a word", key.start_mark)
            if name in names:
                raise ConstructorError(None, None, f"the key {name} occurs twice", key.start_mark)
            names.add(name)
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep=deep)
        return mapping


# Times stay text, as written; the code that needs one parses it by its own rules.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(
    text: str | bytes, report: Report, *, start: str = "apiVersion: v3.1.0"
) -> dict[str, object] | None:
    """The document's top level, or None and a problem in the report.

    `start` is how such a file begins, for the suggestion.
    """
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - derives from the safe loader
    except yaml.MarkedYAMLError as error:
        report.add("", _described(error), "correct the YAML")
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        report.add("", f"not readable as YAML ({type(error).__name__})", "correct the YAML")
        return None
    if not isinstance(document, dict):
        report.add("", "must be a mapping at its top level", f"start with {start}")
        return None
    return document


def _refused(message: str, event: yaml.Event) -> ComposerError:
    mark = event.start_mark
    return ComposerError(None, None, message, mark if isinstance(mark, Mark) else None)


def _described(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    position = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{position}{error.problem or error.context or 'not YAML'}"
