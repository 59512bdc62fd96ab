"""What dbt says of its snapshots: the manifest, a YAML file of properties, or a snapshot block.

The manifest has all of it, as dbt itself resolved it. A YAML file or a block leaves out where the
table is, since macros of a project may decide that. No Jinja is run.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import yaml

from tasks.imports.peer_history import (
    PeerHistory,
    Relation,
    chosen,
    read_text,
    unreadable,
)

__all__ = ["dbt_history"]

_META = ("dbt_valid_from", "dbt_valid_to", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted")
_CLOSING = ("invalidate", "new_record")
_STRATEGIES = ("timestamp", "check")
_BLOCK = re.compile(r"\{%-?\s*snapshot\s+(\w+)\s*-?%\}(.*?)\{%-?\s*endsnapshot\s*-?%\}", re.DOTALL)
_CONFIG = re.compile(r"\{\{-?\s*config\s*\(")
_WORDS = {"true": True, "false": False, "none": None}
_DATE = re.compile(r"'(\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d)?)'")
_NAME = re.compile(r"^\w+$")


def dbt_history(path: Path, name: str | None) -> PeerHistory:
    """The snapshot of that name.

    Args:
        path: `manifest.json`, a `.yml` file with `snapshots:`, or a `.sql` file with a block.
        name: The snapshot's; None: there is only one.

    Raises:
        NotFoundError: There is no such file, or no such snapshot in it.
        UsageError: The file has several snapshots, and none is named.
        SettingsError: It is no configuration of dbt, or has something that only dbt can evaluate.
    """
    text, where = read_text(path), str(path)
    read = {".json": _from_manifest, ".sql": _from_blocks}.get(path.suffix, _from_properties)
    configs = dict(read(text, where))
    if name is not None and name in configs:
        # What is odd about others does not matter.
        configs = {name: configs[name]}
    found = {each: _history(each, *rest, where=where) for each, rest in configs.items()}
    return chosen(found, name, path)


_Found = Iterator[tuple[str, tuple[Mapping[str, object], Relation | None, Relation | None]]]


def _from_manifest(text: str, where: str) -> _Found:
    try:
        manifest = json.loads(text)
        nodes = manifest["nodes"]
        others = {**nodes, **manifest.get("sources", {})}
        for node in nodes.values():
            if node["resource_type"] != "snapshot":
                continue
            parents = [others[each] for each in node["depends_on"]["nodes"] if each in others]
            source = _relation(parents[0]) if len(parents) == 1 else None
            yield node["name"], (node["config"], _relation(node), source)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(
            where,
            "dbt's target/manifest.json",
            f"JSON that is none ({type(error).__name__})",
            "Name the manifest that `dbt parse` or `dbt snapshot` wrote.",
        ) from None


def _relation(node: Mapping[str, str]) -> Relation:
    return node["schema"], node.get("identifier") or node.get("alias") or node["name"]


def _from_properties(text: str, where: str) -> _Found:
    try:
        document = yaml.safe_load(text)
        for snapshot in document["snapshots"]:
            yield str(snapshot["name"]), ({**snapshot.get("config", {})}, None, None)
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise unreadable(
            where,
            "a YAML file of dbt with `snapshots:`, each with a name and its config",
            f"something else ({type(error).__name__})",
            "Name target/manifest.json instead.",
        ) from None


def _from_blocks(text: str, where: str) -> _Found:
    for name, body in _BLOCK.findall(text):
        yield name, (_block_config(body, f"{where}, snapshot {name}"), None, None)


def _block_config(body: str, where: str) -> Mapping[str, object]:
    """The arguments of `config(...)`, if each is a literal."""
    match = _CONFIG.search(body)
    end = body.find("}}", match.end()) if match else -1
    error = unreadable(
        where,
        "{{ config(...) }} whose arguments are texts, lists or truth values",
        "none, or one that only dbt can evaluate",
        "Run `dbt parse`, and name target/manifest.json instead.",
    )
    if match is None or end < 0:
        raise error
    try:
        call = ast.parse(f"config({body[match.end() : end].strip()}", mode="eval").body
    except SyntaxError:
        raise error from None
    if not isinstance(call, ast.Call) or call.args:
        raise error
    found = {}
    for argument in call.keywords:
        try:
            found[str(argument.arg)] = _literal(argument.value)
        except ValueError:
            if argument.arg in _USED:
                raise error from None
    return found


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    return ast.literal_eval(node)


_USED = frozenset(
    {
        *("unique_key", "strategy", "updated_at", "check_cols", "hard_deletes"),
        *("invalidate_hard_deletes", "snapshot_meta_column_names", "dbt_valid_to_current"),
    }
)


def _history(
    name: str,
    config: Mapping[str, object],
    history: Relation | None,
    source: Relation | None,
    *,
    where: str,
) -> PeerHistory:
    where = f"{where}, snapshot {name}"
    strategy, names = config.get("strategy"), _meta_names(config, where)
    if strategy not in _STRATEGIES:
        raise unreadable(where, "the strategy timestamp or check", "another one, or none")
    closing = config.get("hard_deletes") or (
        "invalidate" if config.get("invalidate_hard_deletes") is True else "ignore"
    )
    stamp = config.get("updated_at")
    far_end = config.get("dbt_valid_to_current")
    compared = config.get("check_cols") if strategy == "check" else None
    return PeerHistory(
        tool="dbt",
        name=name,
        history=history,
        source=source,
        key=_key(config.get("unique_key")),
        valid_from=names["dbt_valid_from"],
        valid_to=names["dbt_valid_to"],
        own=(names["dbt_scd_id"], names["dbt_updated_at"]),
        deleted=names["dbt_is_deleted"] if closing == "new_record" else None,
        stamp=stamp if isinstance(stamp, str) and _NAME.match(stamp) else None,
        compared=tuple(map(str, compared)) if isinstance(compared, list) else (),
        closes_absent=closing in _CLOSING,
        open_end=_open_end(far_end),
        evaluates_open_end=far_end is not None and _open_end(far_end) is None,
    )


def _meta_names(config: Mapping[str, object], where: str) -> Mapping[str, str]:
    given = config.get("snapshot_meta_column_names") or {}
    if not isinstance(given, dict):
        raise unreadable(where, "snapshot_meta_column_names as a mapping of names", "none")
    return {each: str(given.get(each) or each) for each in _META}


def _key(value: object) -> tuple[str, ...]:
    """The columns of `unique_key`; none where it is an expression, which has no column."""
    names = value if isinstance(value, list) else [value]
    are_names = all(isinstance(each, str) and _NAME.match(each) for each in names)
    return tuple(map(str, names)) if are_names else ()


def _open_end(value: object) -> datetime | None:
    """The literal inside of an expression such as `to_date('9999-12-31', 'YYYY-MM-DD')`."""
    literals = _DATE.findall(value) if isinstance(value, str) else []
    if len(literals) != 1:
        return None
    return datetime.fromisoformat(literals[0]).replace(tzinfo=UTC)
