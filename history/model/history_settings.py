"""How one history table is kept: which columns identify, order, compare and date its versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from contracts.errors import SettingsError
from contracts.model.reserved_column_names import reserved_among
from history.model.added_and_dropped_columns import EvolvedColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySettings:
    """The settings of `history.load_changes`.

    Attributes:
        key: Columns that together identify a record; any types but maps, never null.
        sequence: The column that orders the changes of a key (timestamp, date or number).
        stamp: Of a state source: the column in which the source states since when a row is as it
            is; it may be null. The sequence is then the instant of the read, which
            a load fills from `Read.at`, and a version starts at its stamp only where that lies
            between the start of the version it replaces and the read.
        tracked: Columns whose change opens a version (type 2). None: every attribute. The other
            attributes are overwritten within their version (type 1).
        fingerprint: A column that changes exactly when a tracked column does. It is compared
            instead of them, which lets tracked columns hold random tokens.
        carried: Attributes that are neither compared nor overwritten: a version keeps those of
            the event that opened it (batch id, load time, row score).
        operation: A column with 'upsert' or 'delete'; None: every event is an upsert.
        tie_breaker: Columns that decide between events of one key and one sequence; the greatest
            wins. Without them, differing events of one instant are all refused.
        first_valid_from: A column that dates the first version of a key when it lies before the
            sequence.
        remember_unchanged: Keep events that open no version, so that a late event can still be put
            before them. Switch off only where nothing can arrive late; what was loaded before may
            be repeated, all of it or any part.
        valid_from: Name of the interval's inclusive start.
        valid_to: Name of the interval's exclusive end.
        is_current: Name of the flag of open versions.
        surrogate_key: Name of the bigint that identifies a version; None for none.
        recorded_at: Name of a timestamp of when the version was written; None for none.
        changed_at: Name of a timestamp of when the row was last changed; None for none.
        open_end: The end of an open version; None stands for null. Timestamps only.
        partitioning: Iceberg partition terms; where they change, new files follow them.
        format_version: Iceberg's, of a table that a load creates: 3, whose deletes are vectors, or
            2, whose deletes are files that older readers know too. A table of format 3 can't go
            back; one of format 2 stays as it is.
        key_ranges: Leave out the files that can't hold a key of the batch. The batch's least and
            greatest key go into queries as literals, and so into plans and event logs: switch it
            off where a key must not appear there.
        evolved: Added and dropped columns, which are unknown in some events. A load reads them
            from the table itself.
        observed_since: Of a table whose source was not always read as a state: an instant before
            its first read. What is older was observed at its stamp, or at that instant at the
            latest. A load reads it from the table itself.
    """

    key: tuple[str, ...]
    sequence: str
    stamp: str | None = None
    tracked: tuple[str, ...] | None = None
    fingerprint: str | None = None
    carried: tuple[str, ...] = ()
    operation: str | None = None
    tie_breaker: tuple[str, ...] = ()
    first_valid_from: str | None = None
    remember_unchanged: bool = True
    valid_from: str = "valid_from"
    valid_to: str = "valid_to"
    is_current: str = "is_current"
    surrogate_key: str | None = "surrogate_key"
    recorded_at: str | None = None
    changed_at: str | None = None
    open_end: datetime | None = None
    partitioning: tuple[str, ...] = ("is_current",)
    format_version: int = 3
    key_ranges: bool = True
    evolved: tuple[EvolvedColumn, ...] = ()
    observed_since: datetime | None = None

    @property
    def filled(self) -> tuple[str, ...]:
        """The columns that a load fills itself and that events therefore must not bring."""
        names = (
            self.surrogate_key,
            *self.interval,
            self.recorded_at,
            self.changed_at,
        )
        return tuple(name for name in names if name is not None)

    @property
    def interval(self) -> tuple[str, ...]:
        """The columns of a version's interval: its start, its end and the flag."""
        return (self.valid_from, self.valid_to, self.is_current)

    @property
    def dated_by(self) -> tuple[str, ...]:
        """The columns that date a version beside the sequence: stamp and first start."""
        return tuple(name for name in (self.stamp, self.first_valid_from) if name is not None)

    def event_columns(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns of an event that are stored: all but the operation."""
        return tuple(name for name in columns if name != self.operation)

    def attributes(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns that are neither key, order nor operation."""
        others = {*self.key, self.sequence, *self.tie_breaker, self.operation}
        others |= {self.first_valid_from, self.stamp}
        return tuple(name for name in columns if name not in others)

    def tracking(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns whose change opens a version, by their own names."""
        if self.tracked is not None:
            return self.tracked
        others = {*self.carried, self.fingerprint}
        return tuple(name for name in self.attributes(columns) if name not in others)

    def compared(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns whose change opens a version, as they are compared.

        A fingerprint covers the columns it was first made of; those added since are compared too.
        """
        tracking = self.tracking(columns)
        if self.fingerprint is None:
            return tracking
        evolved = (each.column for each in self.evolved if each.column in tracking)
        return (self.fingerprint, *evolved)

    def overwritten(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The type-1 columns: attributes that are neither tracked, carried nor the fingerprint."""
        if self.tracked is None:
            return ()
        kept = {*self.tracked, *self.carried, self.fingerprint}
        return tuple(name for name in self.attributes(columns) if name not in kept)

    def shown(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns in which a version shows the values of its later events."""
        compared, overwritten = self.compared(columns), self.overwritten(columns)
        evolved = (each.column for each in self.evolved if each.column in compared)
        return (*overwritten, *evolved)

    def partly_known(self, columns: Sequence[str]) -> tuple[EvolvedColumn, ...]:
        """The added and dropped columns that are compared or overwritten."""
        shown = {*self.shown(columns)}
        return tuple(each for each in self.evolved if each.column in shown)

    def plain(self, names: Sequence[str]) -> tuple[str, ...]:
        """Of the named columns, those that are known in every event."""
        evolved = {each.column for each in self.evolved}
        return tuple(name for name in names if name not in evolved)

    def check(self, columns: Sequence[str], where: str) -> None:
        """Refuse settings that do not fit the columns of the events.

        Raises:
            SettingsError: A named column is missing, named twice or reserved.
        """
        for setting in fields(self):
            if setting.name in _NOT_EVENT_COLUMNS:
                continue
            value = getattr(self, setting.name)
            names = (value,) if isinstance(value, str) else value
            if not isinstance(names, tuple):
                continue
            missing = sorted(set(names) - set(columns))
            if missing and setting.name != "partitioning":
                raise SettingsError(
                    where=where,
                    expected=f"the columns that `{setting.name}` names among the events' columns",
                    found=f"no column {', '.join(missing)}",
                    next_step=f"Correct `{setting.name}` or add the column to the events.",
                )
        clash = self._clashing(columns)
        if not self.key or clash or len({name.lower() for name in columns}) < len(columns):
            raise SettingsError(
                where=where,
                expected="a key, distinct column names, and none of the names that a load fills "
                "itself, that start with __ or that Iceberg reserves",
                found=f"key {list(self.key)}, clashing names {clash}",
                next_step="Name at least one key column and rename what clashes.",
            )

    def _clashing(self, columns: Sequence[str]) -> list[str]:
        """The column names that are not allowed, whatever their case."""
        filled = {name.lower() for name in self.filled}
        stored = (*self.event_columns(columns), *self.filled)
        clashing = {*reserved_among(stored, stored=True)}
        clashing |= {name for name in columns if name.lower() in {*filled, "__op"}}
        return sorted(clashing)


_NOT_EVENT_COLUMNS = frozenset(
    {
        *("valid_from", "valid_to", "is_current", "surrogate_key", "recorded_at", "changed_at"),
        "evolved",
    }
)
