"""Write docs/contract-keys.md: every key that a contract may have, and what acts on it.

python -m tools.list_contract_keys [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from contracts.model import Classification
from contracts.validation.standard_keys import BY_SECTION, NOTICE, PROSE, REFUSED, Key

PAGE = Path(__file__).parents[1] / "docs" / "contract-keys.md"

_QUERY, _STAGE = "tasks.source.source_query", "tasks.transforms.stage_plan"
_COMPILED, _SETTINGS = (
    "tasks.compiler.compile_contract",
    "tasks.compiler.contract_to_history_settings",
)
_IMPLICIT, _FILTER = (
    "tasks.transforms.checks.implicit_checks",
    "tasks.transforms.mapping.row_filter",
)
_SCHEMAS, _MAPPING = "contracts.schemas.spark_schemas", "tasks.transforms.mapping.column_mapping"
_FEATURES = "tasks.transforms.anomalies.feature_selection"
_FITTING = "tasks.transforms.anomalies.model_fitting"
_VERDICT, _ROW = "tasks.transforms.checks.verdict", "tasks.transforms.checks.row_checks"
_LIMITED = "tasks.transforms.checks.limited_metrics"
_PROTECTION = "tasks.transforms.protection.column_protection"
_RIGHTS = "tasks.compiler.compile_role_rights"
_SENSITIVITY = "contracts.model.sensitivity"
_CLOSING = "history.planning.hard_deletes"

OWN: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "source": {
        "connection": ("connection", "tasks.lifecycle.open_run"),
        "schema": ("schema", "tasks.extract"),
        "table": ("table", "tasks.extract"),
        "columns": ("columns", _SCHEMAS),
        "load": ("load", _COMPILED),
        "sequence": ("sequence", _MAPPING),
        "watermark": ("watermark", _QUERY),
        "overlap": ("overlap", _QUERY),
        "partition_column": ("partition_column", _QUERY),
        "batch_size": ("batch_size", _COMPILED),
        "retry_attempts": ("retry_attempts", "flows.load_steps"),
        "timeout_seconds": ("timeout_seconds", "tasks.source.jdbc_reader"),
        "membership": ("membership", _STAGE),
        "ignore": ("ignore", _STAGE),
        "may_be_empty": ("may_be_empty", "tasks.extract"),
        "kind": ("kind", _COMPILED),
        "future_stamps": ("future_stamps", _IMPLICIT),
        "null_watermark": ("refuses_null_watermark", _IMPLICIT),
        "closing_limit": ("closing_limit", "tasks.merge"),
    },
    "source.columns": {
        "name": ("name", _SCHEMAS),
        "physicalType": ("type", _SCHEMAS),
        "required": ("nullable", _IMPLICIT),
        "classification": ("classification", _SENSITIVITY),
        "description": ("", PROSE),
        "derived_from": ("derived_from", _SENSITIVITY),
    },
    "source.membership, source.ignore": {
        "column": ("column", _FILTER),
        "operator": ("operator", _FILTER),
        "values": ("values", _FILTER),
    },
    "source.closing_limit": {"percent": ("percent", _CLOSING), "rows": ("rows", _CLOSING)},
    "history": {
        "key": ("key", _SETTINGS),
        "tracked": ("tracked", _SETTINGS),
        "tie_breaker": ("tie_breaker", _SETTINGS),
        "first_valid_from": ("first_valid_from", _SETTINGS),
        "remember_unchanged": ("remember_unchanged", _SETTINGS),
        "absent": ("absent", _COMPILED),
        "open_end": ("open_end", _SETTINGS),
        "partitioning": ("partitioning", _SETTINGS),
        "format_version": ("format_version", _SETTINGS),
    },
    "quality": {
        "threshold": ("threshold", _VERDICT),
        "refused_percent": ("refused_percent", _VERDICT),
        "critical_null_percent": ("critical_null_percent", _IMPLICIT),
        "held_for": ("held_for", "tasks.lifecycle.hold_batch"),
        "anomalies": ("anomalies", _FEATURES),
    },
    "quality.anomalies": {
        "features": ("features", _FEATURES),
        "exclude": ("exclude", _FEATURES),
        "severity": ("severity", _IMPLICIT),
        "weight": ("weight", _IMPLICIT),
        "minimum_rows": ("minimum_rows", _FITTING),
        "sample_rows": ("sample_rows", _FITTING),
    },
    "quality.anomalies.features": {
        "name": ("name", _FEATURES),
        "column": ("columns", _FEATURES),
        "from": ("columns", _FEATURES),
        "to": ("columns", _FEATURES),
    },
    "access": {"row_classification": ("row_classification", _RIGHTS)},
    "privacy": {
        "subject": ("subject_columns", "tasks.erasure.data_subjects"),
        "subjectKeys": ("subject_keys", "tasks.transforms.protection.column_protection"),
        "retention": ("retention", "tasks.retention.retain_table"),
    },
    "privacy.retention": {
        "action": ("action", "tasks.retention.retain_table"),
        "from": ("start", "tasks.retention.expired_records"),
    },
    "of a role": {
        "level": ("level", "contracts.model.access.role"),
        "above": ("above", "contracts.model.access.role"),
        "allow": ("allow", "contracts.model.access.role"),
        "deny": ("deny", "contracts.model.access.role"),
        "mask": ("mask", "contracts.model.access.role"),
        "rows": ("rows", _RIGHTS),
        "decrypt": ("decrypt", _RIGHTS),
    },
    "rows of a role": {
        "level": ("row_level", _RIGHTS),
        "current": ("current", _RIGHTS),
        "where": ("where", _RIGHTS),
    },
    "of a target column": {
        "transformation": ("transformation", _MAPPING),
        "protection": ("protection", _PROTECTION),
        "lineage": ("lineage", "tasks.observability.lineage_rows"),
    },
    "transformation": {"name": ("name", _MAPPING), "arguments": ("arguments", _MAPPING)},
    "protection of a column, or of a rule": {
        "kind": ("kind", _PROTECTION),
        "keep": ("keep", _PROTECTION),
        "deterministic": ("deterministic", _PROTECTION),
        "discloses": ("deterministic", "contracts.validation.contract_notices"),
        "join_domain": ("join_domain", _PROTECTION),
        "to": ("period", _PROTECTION),
        "width": ("width", _PROTECTION),
    },
    "protection of the contract": {
        str(each): ("protection", _SENSITIVITY) for each in Classification
    },
    "implementation of a check": {
        "rule": ("rule", _ROW),
        "columns": ("columns", _ROW),
        "arguments": ("arguments", "tasks.transforms.checks.rule_expressions"),
        "weight": ("weight", _ROW),
        "at_most": ("threshold", _ROW),
    },
    "of a relationship": {
        "severity": ("severity", _LIMITED),
        "weight": ("weight", _ROW),
        "at_most": ("threshold", _ROW),
        "relation": ("arguments", _ROW),
        "connection": ("connection", "tasks.judging.referenced_values"),
    },
    "ledger": {
        "partitioning": ("partitioning", "contracts.schemas.target_ddl"),
        "dated_by": ("dated_by", "tasks.auditing.ledger_retention"),
    },
}
"""Our own keys by section: the field of the model, and a module that acts on it."""

_HEAD = """\
# Every key of a contract

What each key does. `python -m tools.list_contract_keys` writes this page; a test compares it with
the code, and with the standard's own model. A key that is not here is refused.

*Prose* is for people and catalogues: nothing that Strandline does depends on it or on what is
below it. A key with a *notice* has no effect here, and `strandline contracts check` says so.

## Keys of the standard
"""
_OWN_HEAD = """
## Keys of Strandline

They are in `customProperties`, in the value of the property `strandline`.
"""


def page() -> str:
    """The page, as it should be."""
    standard = "".join(_section(name, BY_SECTION[name].values()) for name in BY_SECTION)
    own = "".join(_own_section(name, keys) for name, keys in OWN.items())
    return f"{_HEAD}{standard}{_OWN_HEAD}{own}"


def _section(name: str, keys: Iterable[Key]) -> str:
    return _table(name, [(key.name, _effect(key)) for key in keys])


def _own_section(name: str, keys: Mapping[str, tuple[str, str]]) -> str:
    return _table(name, [(key, _module(module)) for key, (_, module) in keys.items()])


def _table(name: str, rows: Sequence[tuple[str, str]]) -> str:
    """One line for all keys with the same effect."""
    together = {
        effect: ", ".join(f"`{key}`" for key, other in rows if other == effect)
        for _, effect in rows
    }
    lines = "".join(f"| {keys} | {effect} |\n" for effect, keys in together.items())
    return f"\n### {name}\n\n| keys | what acts on them |\n|---|---|\n{lines}"


def _effect(key: Key) -> str:
    if key.effect in (REFUSED, NOTICE):
        return f"{key.effect}: {key.instead}"
    return _module(key.effect)


def _module(name: str) -> str:
    if name == PROSE:
        return name
    return f"[{name.rpartition('.')[2]}](../{name.replace('.', '/')}.py)"


def main() -> int:
    """Write the page, or with `--check` say whether it is current; the exit code."""
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
