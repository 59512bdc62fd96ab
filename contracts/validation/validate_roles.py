"""Each role against the contract: its columns are there, its row filter can be enforced."""

from __future__ import annotations

import re

from contracts.expressions import ExpressionError, row_filter
from contracts.model import Contract, ProtectionKind, Role, Shown, column_right
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_TAKEN = ("kept_events",)
"""Ends of names that tables beside a history have: `<table>__kept_events`."""
_MOST_LETTERS = 64
_PROTECTION = "customProperties.strandline.protection"


def check_roles(
    contract: Contract, root: Section, extension: Section, properties: tuple[Section, ...]
) -> None:
    """Report what contradicts.

    `root` is the contract's file, `extension` our own part of it, and `properties` are the
    sections of `contract.columns`, in order.
    """
    broken = {
        column.name
        for column, section in zip(contract.columns, properties, strict=True)
        if any(each.path.startswith(section.at(_PROTECTION)) for each in section.report.problems)
    }
    _check_row_classification(contract, extension)
    names: set[str] = set()
    for role, section in zip(contract.roles, root.children("roles"), strict=True):
        _check_name(role, section, names)
        names.add(role.name)
        words = section.extension()
        if words is not None:
            _check_columns(contract, role, words)
            _check_decrypt(contract, role, words, broken)
            _check_rows(contract, role, words)


def _check_row_classification(contract: Contract, extension: Section) -> None:
    name, section = contract.row_classification, extension.child("access")
    if name is None or section is None:
        return
    kinds = {column.name: column for column in contract.columns}
    column = kinds.get(name)
    if column is None:
        hint = did_you_mean(name, kinds)
        section.problem("row_classification", f"the target has no column {name}", hint)
    elif column.protection is not None:
        section.problem("row_classification", f"{name} is protected; a token says no level")
    elif column.type and column.type != "string":
        section.problem("row_classification", f"{name} is {column.type}, a level is text")


def _check_name(role: Role, section: Section, names: set[str]) -> None:
    if not role.name:
        return
    if not _NAME.match(role.name) or len(role.name) > _MOST_LETTERS:
        section.problem(
            "role",
            "must be of small letters, digits and _, since it ends the name of a view",
            "such as data_steward",
        )
    if role.name in _TAKEN:
        section.problem("role", f"{role.name} is taken by a table beside the history")
    if role.name in names:
        section.problem("role", f"{role.name} occurs twice")


def _check_columns(contract: Contract, role: Role, words: Section) -> None:
    columns = {column.name: column for column in contract.columns}
    seen: dict[str, str] = {}
    for key, names in (("allow", role.allow), ("deny", role.deny), ("mask", tuple(role.mask))):
        for name in names:
            if name not in columns:
                hint = did_you_mean(name, columns)
                words.problem(key, f"the target has no column {name}", hint)
            elif name in seen:
                words.problem(key, f"{name} is in {seen[name]} too", "leave it in one of them")
            seen.setdefault(name, key)
    _check_masks(contract, role, words)


def _check_masks(contract: Contract, role: Role, words: Section) -> None:
    columns = {column.name: column for column in contract.columns}
    for name in role.mask:
        column = columns.get(name)
        if column is None:
            continue
        if column.protection is not None:
            words.problem("mask", f"{name} is stored protected", "leave it out")
        elif column.type and column.type != "string":
            words.problem("mask", f"{name} is {column.type}; a mask shows part of a text")


def _check_decrypt(contract: Contract, role: Role, words: Section, broken: set[str]) -> None:
    """`broken` are columns whose protection has a problem of its own already."""
    columns = {column.name: column for column in contract.columns}
    for name in role.decrypt:
        if name in broken:
            continue
        column = columns.get(name)
        if column is None:
            hint = did_you_mean(name, columns)
            words.problem("decrypt", f"the target has no column {name}", hint)
        elif column.protection is None or column.protection.kind is not ProtectionKind.ENCRYPT:
            words.problem("decrypt", f"{name} is not encrypted", "only encryption can be undone")
        elif column_right(role, name, column.classification).shown is not Shown.STORED:
            words.problem(
                "decrypt",
                f"the role does not see {name}",
                f"add it to allow, or say level: {column.classification}",
            )


def _check_rows(contract: Contract, role: Role, words: Section) -> None:
    section = words.child("rows")
    if section is None:
        return
    if role.rows.level is not None and contract.row_classification is None:
        section.problem(
            "level", "no column classifies the rows", "say it in access.row_classification"
        )
    if not role.rows.where:
        return
    kinds = {each.name: each.type for each in contract.columns if each.protection is None}
    try:
        row_filter(role.rows.where, kinds)
    except ExpressionError as error:
        section.problem("where", error.found, error.suggestion)
