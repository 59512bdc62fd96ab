"""What the configuration of another tool says of a history that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from contracts.errors import NotFoundError, SettingsError, UsageError

__all__ = ["PeerHistory", "Relation", "chosen", "open_end_of", "read_text", "unreadable"]

Relation = tuple[str, str]
"""A schema and a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHistory:
    """A history as its tool describes it. Names of columns are those of the history's table.

    Attributes:
        tool: `dbt`, `SQLMesh` or `dlt`.
        name: Of the snapshot, the model or the table.
        history: Where the versions are; None: the configuration does not say.
        source: The table that they are versions of; None: the configuration does not say.
        key: What identifies a record; empty: the configuration does not say.
        valid_from: The inclusive start of a version.
        valid_to: Its exclusive end.
        own: The tool's own columns beside the interval, which are no part of the record.
        deleted: The column with the word `True` in rows that say that their record is deleted.
        stamp: The column that dates changes; None: the tool's run did.
        compared: The columns whose change opens a version; empty: all of them.
        closes_absent: Whether a record that is gone from its source was closed.
        open_end: The far end that stands for an open version; None: null does.
        evaluates_open_end: There is a far end that only the tool can evaluate.
    """

    tool: str
    name: str
    history: Relation | None = None
    source: Relation | None = None
    key: tuple[str, ...] = ()
    valid_from: str
    valid_to: str
    own: tuple[str, ...] = ()
    deleted: str | None = None
    stamp: str | None = None
    compared: tuple[str, ...] = ()
    closes_absent: bool = False
    open_end: datetime | None = None
    evaluates_open_end: bool = False

    @property
    def where(self) -> str:
        """The history, as messages call it."""
        return f"{self.tool} {self.name}"

    def with_options(
        self, *, history: Relation | None, source: Relation | None, key: tuple[str, ...],
        open_end: datetime | None,
    ) -> PeerHistory:  # fmt: skip
        """The same, where what was typed goes before what the configuration says."""
        return replace(
            self,
            history=history or self.history,
            source=source or self.source,
            key=key or self.key,
            open_end=open_end or self.open_end,
        )

    def refuse_gaps(self) -> None:
        """Refuse a description that leaves open what an import needs.

        Raises:
            UsageError: With the option that says it.
        """
        far_end = self.open_end or not self.evaluates_open_end
        missing = {
            "--open-end": (far_end, "the end of open versions, as the table has it"),
            "--history": (self.history, "the schema and table that the versions are in"),
            "--table": (self.source, "the schema and table that the history is of"),
            "--key": (self.key, "the columns that identify a record"),
        }
        for option, (value, expected) in missing.items():
            if not value:
                raise UsageError(
                    where=self.where,
                    expected=expected,
                    found="a configuration that does not say it, or only to its tool",
                    next_step=f"Add {option} to the command. Nothing was written.",
                )


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        NotFoundError: It can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(
            where=str(path),
            expected="a file of text that can be read",
            found=getattr(error, "strerror", None) or type(error).__name__,
            next_step="Correct the path. Nothing was written.",
        ) from None


def unreadable(where: str, expected: str, found: str, next_step: str = "") -> SettingsError:
    """The error of a configuration that can't be understood."""
    return SettingsError(
        where=where,
        expected=expected,
        found=found,
        next_step=f"{next_step or 'Name another file.'} Nothing was written.",
    )


def chosen(found: Mapping[str, PeerHistory], name: str | None, path: Path) -> PeerHistory:
    """The named one of the histories that a file describes, or the only one.

    Raises:
        SettingsError: It describes none.
        UsageError: There are several, and none is named.
        NotFoundError: There is none of that name.
    """
    if not found:
        raise unreadable(str(path), "a configuration of at least one history", "none")
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    known = ", ".join(sorted(found))
    if name is None:
        raise UsageError(
            where=str(path),
            expected="one history, or behind the file the name of the one that is meant",
            found=known,
            next_step="Add the name. Nothing was written.",
        )
    if name not in found:
        raise NotFoundError(
            where=str(path),
            expected=f"the history {name}",
            found=known,
            next_step="Correct the name, or the file. Nothing was written.",
        )
    return found[name]


def open_end_of(value: object, where: str) -> datetime | None:
    """The far end that a setting names, as text or as YAML reads it.

    Raises:
        SettingsError: It is no time that can be read off.
    """
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise unreadable(
            where,
            "a far end that is a time, such as 9999-12-31",
            "an expression",
            "Say --open-end, with the value that the table has.",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
