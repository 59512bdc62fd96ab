"""A contract as the settings of the history engine."""

from __future__ import annotations

from contracts.errors import ContractError
from contracts.model import Contract
from contracts.model.reserved_column_names import OPERATION
from history import HistorySettings

_CARRIED = ("batch_id", "row_score", "retention_date")


def history_settings(contract: Contract) -> HistorySettings:
    """The history settings of the contract's target."""
    history = contract.history
    return HistorySettings(
        key=contract.key,
        sequence=_required(contract, "read_at" if contract.source.is_state else "sequence"),
        stamp=_required(contract, "sequence") if contract.source.is_state else None,
        tracked=history.tracked,
        fingerprint=_optional(contract, "fingerprint"),
        carried=tuple(name for each in _CARRIED if (name := _optional(contract, each))),
        operation=OPERATION,
        tie_breaker=history.tie_breaker,
        first_valid_from=history.first_valid_from,
        remember_unchanged=history.remember_unchanged,
        valid_from=_required(contract, "valid_from"),
        valid_to=_required(contract, "valid_to"),
        is_current=_required(contract, "is_current"),
        surrogate_key=_optional(contract, "surrogate_key"),
        recorded_at=_optional(contract, "recorded_at"),
        changed_at=_optional(contract, "changed_at"),
        open_end=history.open_end,
        partitioning=history.partitioning,
        format_version=history.format_version,
        # A protected key is a random-looking token: no range of it is narrow.
        key_ranges=contract.column(contract.key[0]).protection is None,
    )


def _optional(contract: Contract, transformation: str) -> str | None:
    column = contract.generated(transformation)
    return None if column is None else column.name


def _required(contract: Contract, transformation: str) -> str:
    name = _optional(contract, transformation)
    if name is None:
        raise ContractError(
            where=contract.name,
            expected=f"a column that is filled by `{transformation}`",
            found="none",
            next_step="Run `strandline contracts check`.",
        )
    return name
