"""What is known of a release, kept as one property of its green table.

Promise: a release is on exactly as long as its green table exists, and each step of it is one
commit: two releases of one table can't begin, whoever starts them. Whatever process continues a
release finds where the last one stopped.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from pyspark.sql import SparkSession

from contracts.errors import SettingsError
from history.iceberg import branches
from history.iceberg.history_table import exists
from history.iceberg.table_metadata import current_and_properties
from history.iceberg.table_properties import sql_string
from history.reading.role_views import SecureView

RECORD = "strandline.release"
"""The property of the green table: JSON, compressed, in base64, since Spark hides what looks like a
secret from who lists properties."""

EVERYONE = "everyone"
"""The readers that no share of their own was given to."""


class ReleaseState(StrEnum):
    """Where a release stands."""

    STARTING = "starting"
    RUNNING = "running"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release of one table.

    Attributes:
        id: Names it.
        state: Where it stands.
        table: The published history, `catalog.namespace.name`.
        contract: The contract's name.
        text: The contract that green is loaded by, as YAML.
        version: The version of that contract.
        version_before: The version of the contract that the published table was loaded by.
        code: The version of Strandline that loads green.
        seed: Whether green began as a copy of the `history` or was read from the `source`.
        started_at: When it began, in ISO 8601.
        started_by: Who began it.
        reason: Why.
        key: The columns of the business key.
        same_key: Whether a key is stored alike in both, so that readers can be shifted by key.
        shares: Percent of the keys that are read from green, by role, and of `EVERYONE`.
        roles: What green's contract shows to each role.
        roles_before: What the contract before showed to each role.
        loaded_at: When green was last brought up to date, in ISO 8601; empty: never.
        failure: Why green could not be brought up to date; empty: it was.
        compared: What the last comparison found, as counts by name.
        snapshot_before: The table's snapshot before green was promoted.
        properties_before: The table's properties before that.
        promoted: The snapshot that promoted green.
    """

    id: str
    state: ReleaseState
    table: str
    contract: str
    text: str
    version: str
    version_before: str
    code: str
    seed: str
    started_at: str
    started_by: str
    reason: str
    key: tuple[str, ...]
    same_key: bool
    shares: Mapping[str, int] = field(default_factory=lambda: {EVERYONE: 0})
    roles: Mapping[str, SecureView] = field(default_factory=dict)
    roles_before: Mapping[str, SecureView] = field(default_factory=dict)
    loaded_at: str = ""
    failure: str = ""
    compared: Mapping[str, int] = field(default_factory=dict)
    snapshot_before: int | None = None
    properties_before: Mapping[str, str] = field(default_factory=dict)
    promoted: int | None = None

    @property
    def green(self) -> str:
        """The green table."""
        return green_table(self.table)

    @property
    def is_open(self) -> bool:
        """Whether readers may be shifted, and a load of the table is followed by one of green."""
        return self.state is ReleaseState.RUNNING

    @property
    def routes(self) -> bool:
        """Whether the views read from both tables."""
        return self.state in (ReleaseState.RUNNING, ReleaseState.PROMOTING)

    def share_of(self, role: str) -> int:
        """Percent of the keys that a role reads from green."""
        return self.shares.get(role, self.shares[EVERYONE])

    @property
    def to_text(self) -> str:
        """The record as the property's value."""
        document = json.dumps(asdict(self), separators=(",", ":"))
        return base64.b64encode(zlib.compress(document.encode())).decode()

    @classmethod
    def from_text(cls, text: str) -> Release:
        """The record that `to_text` wrote."""
        values = json.loads(zlib.decompress(base64.b64decode(text)))
        values["state"] = ReleaseState(values["state"])
        values["key"] = tuple(values["key"])
        for name in ("roles", "roles_before"):
            values[name] = {role: SecureView(**view) for role, view in values[name].items()}
        return cls(**values)


def green_table(table: str) -> str:
    """The identifier of the green table of a history."""
    return f"{table}__green"


def release_of(spark: SparkSession, table: str) -> Release | None:
    """The release of a table as it stands now; None: there is none."""
    green = green_table(table)
    if not exists(spark, green):
        return None
    _, properties = current_and_properties(spark, green)
    text = properties.get(RECORD)
    return None if text is None else Release.from_text(text)


def write_record(spark: SparkSession, release: Release, **changes: object) -> Release:
    """Change the record, in one commit; returns the new one."""
    changed = replace(release, **changes)  # type: ignore[arg-type]
    pair = f"{sql_string(RECORD)} = {sql_string(changed.to_text)}"
    branches.alter(spark, f"ALTER TABLE {changed.green} SET TBLPROPERTIES ({pair})")
    return changed


def refuse_replaced_contract(spark: SparkSession, table: str, version: str) -> None:
    """Refuse a load by a version of the contract that is not the one that is published.

    Raises:
        SettingsError: The contract's file is that of before a release that is promoted, or that of
            a release that is not promoted yet.
    """
    release = release_of(spark, table)
    if release is None or release.version == release.version_before:
        return
    is_promoted = release.state is ReleaseState.PROMOTED
    expected = release.version if is_promoted else release.version_before
    if version == expected or version not in (release.version, release.version_before):
        return
    name = release.contract
    raise SettingsError(
        where=table,
        expected=f"the contract in version {expected}, since the release {release.id} is "
        f"{release.state}",
        found=f"version {version}",
        next_step=f"Put the contract of version {expected} into the folder of contracts"
        + (
            f", or roll the release back: strandline release rollback {name}."
            if is_promoted
            else f". `strandline release promote {name}` publishes the other one."
        ),
    )


def refuse_during_release(spark: SparkSession, table: str, what: str) -> None:
    """Refuse a change of a table's rows that green would not have, or would bring back.

    Args:
        spark: The session.
        table: The history.
        what: The change, as the error names it.

    Raises:
        SettingsError: A release of the table is on, or can still be rolled back.
    """
    release = release_of(spark, table)
    if release is None:
        return
    name = release.contract
    raise SettingsError(
        where=table,
        expected=f"no release while {what}: the other table of it would not have the change, and "
        "promoting or rolling back would undo it",
        found=f"the release {release.id}, {release.state}",
        next_step=f"End it first, with `strandline release rollback {name}`, or `promote` and then "
        "`finish`; then run this again. Nothing was changed.",
    )
