"""What a schema that dlt exported says of its tables with the merge strategy scd2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from tasks.imports.peer_history import PeerHistory, chosen, open_end_of, read_text, unreadable

__all__ = ["dlt_history"]

_OWN = ("_dlt_load_id", "_dlt_id")
_KEY_HINTS = ("primary_key", "merge_key")


def dlt_history(path: Path, name: str | None) -> PeerHistory:
    """The table of that name.

    Args:
        path: The file that dlt writes for `export_schema_path`, or prints for `dlt pipeline NAME
            schema`.
        name: The table's; None: only one has the strategy scd2.

    Raises:
        NotFoundError: There is no such file, or no such table with that strategy.
        UsageError: It has several, and none is named.
        SettingsError: It is no schema of dlt.
    """
    text, where = read_text(path), str(path)
    try:
        tables = yaml.safe_load(text)["tables"]
        found = {
            str(table): _history(str(table), said, f"{where}, table {table}")
            for table, said in tables.items()
            if said.get("x-merge-strategy") == "scd2"
        }
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(
            where,
            "a schema that dlt exported, with `tables:`",
            f"something else ({type(error).__name__})",
            "Name the file that `export_schema_path` has of the pipeline.",
        ) from None
    return chosen(found, name, path)


def _history(name: str, said: Mapping[str, object], where: str) -> PeerHistory:
    listed = said["columns"]
    columns: Mapping[str, Mapping[str, object]] = listed if isinstance(listed, dict) else {}
    start = _with_hint(columns, "x-valid-from") or "_dlt_valid_from"
    end = _with_hint(columns, "x-valid-to") or "_dlt_valid_to"
    far = columns.get(end, {}).get("x-active-record-timestamp")
    key = tuple(
        column
        for column, hints in columns.items()
        if any(hints.get(each) is True for each in _KEY_HINTS)
    )
    version = _with_hint(columns, "x-row-version")
    return PeerHistory(
        tool="dlt",
        name=name,
        key=key,
        valid_from=start,
        valid_to=end,
        own=tuple(dict.fromkeys((*_OWN, *([version] if version else [])))),
        # With a merge key dlt closes nothing but what the keys of a load replace.
        closes_absent=not any(hints.get("merge_key") is True for hints in columns.values()),
        open_end=open_end_of(far, where),
    )


def _with_hint(columns: Mapping[str, Mapping[str, object]], hint: str) -> str:
    return next((name for name, hints in columns.items() if hints.get(hint) is True), "")
