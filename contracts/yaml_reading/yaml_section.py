"""One mapping of a contract file, read key by key with types checked and paths tracked.

Promise: a reader always gets a value of the requested type; problems are in the report.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard, TypeVar

from contracts.model import Scalar
from contracts.yaml_reading.problem_report import Report, did_you_mean

NAMESPACE = "strandline"
"""The name of the custom property for everything that is not in the standard."""

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping, its key path and the report that problems go to.

    A getter without `default` requires its key; with one, an absent or null key gives the default.
    """

    value: Mapping[str, object]
    path: str
    report: Report

    def at(self, key: str) -> str:
        """The path of a key in this section."""
        return f"{self.path}.{key}" if self.path else key

    def problem(self, key: str, message: str, suggestion: str = "") -> None:
        """Report a problem with a key."""
        self.report.add(self.at(key), message, suggestion)

    def only(self, known: Collection[str]) -> None:
        """Report every key that is not known."""
        for key in self.value:
            if key not in known:
                self.problem(str(key), "unknown key", did_you_mean(str(key), known))

    def has(self, key: str) -> bool:
        """Whether the key has a value that is not null."""
        return self.value.get(key) is not None

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text that is not blank; "" after a problem."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value.strip():
            return value
        self._refuse(key, "text")
        return ""

    def integer(
        self, key: str, *, default: int | None = None, low: int = 0, high: int | None = None
    ) -> int:
        """A whole number between `low` and `high`."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            if low <= value and (high is None or value <= high):
                return value
            bound = f"at least {low}" if high is None else f"between {low} and {high}"
            self.problem(key, f"must be {bound}")
        else:
            self._refuse(key, "a whole number")
        return low if default is None else default

    def number(
        self, key: str, *, default: float | None = None, low: float = 0, high: float = math.inf
    ) -> float:
        """A number between `low` and `high`."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        if is_number(value):
            if low <= value <= high:
                return float(value)
            bound = f"at least {low}" if math.isinf(high) else f"between {low} and {high}"
            self.problem(key, f"must be {bound}")
        else:
            self._refuse(key, "a number")
        return low if default is None else default

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.value.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        self._refuse(key, "true or false")
        return default

    def choice(
        self, key: str, kind: type[_Choice], *, default: _Choice | None = None
    ) -> _Choice | None:
        """One word of an enumeration; None after a problem."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        words = [str(member) for member in kind]
        if isinstance(value, str) and value in words:
            return kind(value)
        if isinstance(value, str):
            self.problem(key, f"unknown word {value}", did_you_mean(value, words))
        else:
            self._refuse(key, f"one of {', '.join(words)}")
        return default

    def texts(self, key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of distinct texts."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._refuse(key, "a list of names")
            return default or ()
        for name in sorted({item for item in value if value.count(item) > 1}):
            self.problem(key, f"{name} occurs twice")
        return tuple(dict.fromkeys(value))

    def scalars(self, key: str) -> tuple[Scalar, ...]:
        """A list of single values, empty when the key is absent."""
        value = self.value.get(key)
        if value is None:
            return ()
        if isinstance(value, list) and all(is_scalar(item) for item in value):
            return tuple(value)
        self._refuse(key, "a list of single values")
        return ()

    def child(self, key: str, *, required: bool = False) -> Section | None:
        """A mapping below this one."""
        value = self.value.get(key)
        if isinstance(value, dict):
            return Section(value, self.at(key), self.report)
        if value is not None or required:
            self._refuse(key, "a mapping")
        return None

    def children(self, key: str, *, required: bool = False) -> tuple[Section, ...]:
        """A list of mappings below this one; other items are reported and skipped."""
        value = self.value.get(key)
        if value is None and not required:
            return ()
        if not isinstance(value, list) or (required and not value):
            self._refuse(key, "a list with at least one entry" if required else "a list")
            return ()
        sections = []
        for position, item in enumerate(value):
            path = f"{self.at(key)}[{position}]"
            if isinstance(item, dict):
                sections.append(Section(item, path, self.report))
            else:
                self.report.add(path, "must be a mapping")
        return tuple(sections)

    def extension(self, *, required: bool = False) -> Section | None:
        """The mapping under our own name among the section's `customProperties`."""
        mine = []
        for entry in self.children("customProperties"):
            name = entry.value.get("property")
            if name == NAMESPACE:
                mine.append(entry)
            elif isinstance(name, str) and did_you_mean(name, [NAMESPACE]).startswith("did"):
                entry.problem("property", f"unknown name {name}", f"did you mean {NAMESPACE}?")
        path = self.at(f"customProperties.{NAMESPACE}")
        if len(mine) > 1:
            self.report.add(path, "occurs twice", "put everything under one")
        if not mine:
            if required:
                self.report.add(path, "is missing")
            return None
        value = mine[0].value.get("value")
        if isinstance(value, dict):
            return Section(value, path, self.report)
        self.report.add(path, "must have a mapping as its value")
        return None

    def _refuse(self, key: str, wanted: str) -> None:
        missing = self.value.get(key) is None
        self.problem(key, f"is missing; must be {wanted}" if missing else f"must be {wanted}")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether the value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_scalar(value: object) -> bool:
    """Whether the value is a single value that can be compared with a cell."""
    return isinstance(value, str | bool) or is_number(value)
