"""One mapping of a contract file, read key by key with types checked and places known.

Promise: a reader always gets a value of the type it asked for; what was wrong is in the report.
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
"""The name of the custom property under which lies what the standard has no place for."""

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
        """Note a problem with a key."""
        self.report.add(self.at(key), message, suggestion)

    def only(self, known: Collection[str]) -> None:
        """Note every key that is not known."""
        for key in self.value:
            if key not in known:
                self.problem(str(key), "unknown key", did_you_mean(str(key), known))

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        return self.value.get(key) is not None

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text that is not blank; "" after a problem."""
        found = self.value.get(key)
        if found is None and default is not None:
            return default
        if isinstance(found, str) and found.strip():
            return found
        self._refuse(key, "text")
        return ""

    def integer(
        self, key: str, *, default: int | None = None, low: int = 0, high: int | None = None
    ) -> int:
        """A whole number between `low` and `high`."""
        found = self.value.get(key)
        if found is None and default is not None:
            return default
        if isinstance(found, int) and not isinstance(found, bool):
            if low <= found and (high is None or found <= high):
                return found
            bound = f"at least {low}" if high is None else f"between {low} and {high}"
            self.problem(key, f"must be {bound}")
        else:
            self._refuse(key, "a whole number")
        return low if default is None else default

    def number(
        self, key: str, *, default: float | None = None, low: float = 0, high: float = math.inf
    ) -> float:
        """A number between `low` and `high`."""
        found = self.value.get(key)
        if found is None and default is not None:
            return default
        if is_number(found):
            if low <= found <= high:
                return float(found)
            bound = f"at least {low}" if math.isinf(high) else f"between {low} and {high}"
            self.problem(key, f"must be {bound}")
        else:
            self._refuse(key, "a number")
        return low if default is None else default

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        found = self.value.get(key)
        if found is None:
            return default
        if isinstance(found, bool):
            return found
        self._refuse(key, "true or false")
        return default

    def choice(
        self, key: str, kind: type[_Choice], *, default: _Choice | None = None
    ) -> _Choice | None:
        """One word of an enumeration; None after a problem."""
        found = self.value.get(key)
        if found is None and default is not None:
            return default
        words = [str(member) for member in kind]
        if isinstance(found, str) and found in words:
            return kind(found)
        if isinstance(found, str):
            self.problem(key, f"unknown word {found}", did_you_mean(found, words))
        else:
            self._refuse(key, f"one of {', '.join(words)}")
        return default

    def texts(self, key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of distinct texts."""
        found = self.value.get(key)
        if found is None and default is not None:
            return default
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            self._refuse(key, "a list of names")
            return default or ()
        for name in sorted({item for item in found if found.count(item) > 1}):
            self.problem(key, f"{name} occurs twice")
        return tuple(dict.fromkeys(found))

    def scalars(self, key: str) -> tuple[Scalar, ...]:
        """A list of single values, empty when the key is absent."""
        found = self.value.get(key)
        if found is None:
            return ()
        if isinstance(found, list) and all(is_scalar(item) for item in found):
            return tuple(found)
        self._refuse(key, "a list of single values")
        return ()

    def child(self, key: str, *, required: bool = False) -> Section | None:
        """A mapping below this one."""
        found = self.value.get(key)
        if isinstance(found, dict):
            return Section(found, self.at(key), self.report)
        if found is not None or required:
            self._refuse(key, "a mapping")
        return None

    def children(self, key: str, *, required: bool = False) -> tuple[Section, ...]:
        """A list of mappings below this one; items of another kind are noted and left out."""
        found = self.value.get(key)
        if found is None and not required:
            return ()
        if not isinstance(found, list) or (required and not found):
            self._refuse(key, "a list with at least one entry" if required else "a list")
            return ()
        sections = []
        for position, item in enumerate(found):
            path = f"{self.at(key)}[{position}]"
            if isinstance(item, dict):
                sections.append(Section(item, path, self.report))
            else:
                self.report.add(path, "must be a mapping")
        return tuple(sections)

    def extension(self, *, required: bool = False) -> Section | None:
        """What lies under our own name among the section's `customProperties`."""
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
        found = mine[0].value.get("value")
        if isinstance(found, dict):
            return Section(found, path, self.report)
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
