"""IAM policies: whether one allows an action on a resource.

Allow statements with wildcards are understood, and nothing else: what a policy says beyond that is
an error, so that no test passes on a sentence that nobody evaluates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tools.aws_double.aws_requests import Right

__all__ = ["Policy", "Statement"]

_KNOWN = {"Sid", "Effect", "Action", "Resource"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: each action on each resource."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, right: Right) -> bool:
        """Whether it allows that."""
        return any(
            fnmatchcase(right.action.lower(), each.lower()) for each in self.actions
        ) and any(fnmatchcase(right.resource, each) for each in self.resources)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one principal may do."""

    name: str
    statements: tuple[Statement, ...]

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any]) -> Policy:
        """The policy of a JSON document.

        Raises:
            ValueError: It has an element that is not understood here.
        """
        made = []
        for entry in document["Statement"]:
            if not set(entry) <= _KNOWN or entry["Effect"] != "Allow":
                message = f"{name}: only Allow with {sorted(_KNOWN)} is understood"
                raise ValueError(message)
            made.append(Statement(_several(entry["Action"]), _several(entry["Resource"])))
        return cls(name, tuple(made))

    def refused(self, rights: Sequence[Right]) -> Right | None:
        """The first right that it does not give; None: all are given."""
        for right in rights:
            if not any(each.allows(right) for each in self.statements):
                return right
        return None

    def grants(self) -> frozenset[tuple[str, str]]:
        """Each action with each resource pattern."""
        return frozenset(
            (action, resource)
            for each in self.statements
            for action in each.actions
            for resource in each.resources
        )

    def used_by(self, rights: Sequence[Right]) -> frozenset[tuple[str, str]]:
        """Those of its grants that one of the rights needs."""
        return frozenset(
            (action, resource)
            for action, resource in self.grants()
            if any(Statement((action,), (resource,)).allows(right) for right in rights)
        )


def _several(entry: str | Sequence[str]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(entry)
