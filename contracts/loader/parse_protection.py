"""How a contract protects its columns: rules by classification, and what a column says itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from contracts.model import Classification, Period, Protection, ProtectionKind
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_number

_NONE = "none"
_KEYS = ("kind", "keep", "deterministic", "discloses", "join_domain", "to", "width")
_DOMAIN = re.compile(r"^[A-Za-z_]\w*$", re.ASCII)


class Disclosed(StrEnum):
    """What a technique shows that a contract has to say out loud."""

    EQUALITY = "equality"


def read_rules(extension: Section) -> Mapping[Classification, Protection]:
    """The technique of each classification that the contract has a rule for."""
    section = extension.child("protection")
    rules: dict[Classification, Protection] = {}
    if section is None:
        return rules
    for name in section.value:
        if name not in tuple(Classification):
            section.problem(
                str(name), "unknown classification", did_you_mean(str(name), Classification)
            )
            continue
        rule = section.child(name, required=True)
        if rule is None:
            continue
        if rule.has("deterministic"):
            rule.problem(
                "deterministic",
                "shows which values are equal: no rule for all columns of a classification",
                "say it of the columns that are joined",
            )
        rules[Classification(name)] = _protection(rule)
    return rules


def read_protection(extension: Section) -> Protection | None:
    """What a column says of its own protection; None where it says `none`."""
    section = extension.child("protection")
    if section is None:
        return None
    if section.value.get("kind") == _NONE:
        section.only(("kind",))
        return None
    return _protection(section)


def _protection(section: Section) -> Protection:
    section.only(_KEYS)
    kind = section.choice("kind", ProtectionKind)
    keep = section.integer("keep", default=0)
    if keep and kind not in (ProtectionKind.MASK, None):
        section.problem("keep", "only a mask keeps characters", "leave it out")
    deterministic = _deterministic(section, kind)
    # After a problem with its kind the column still counts as protected.
    return Protection(
        kind or ProtectionKind.PSEUDONYMISE,
        keep,
        deterministic=deterministic,
        join_domain=_join_domain(section, deterministic=deterministic),
        period=section.choice("to", Period) if section.has("to") else None,
        width=_width(section) if _only_generalises(section, kind) else None,
    )


def _deterministic(section: Section, kind: ProtectionKind | None) -> bool:
    deterministic = section.flag("deterministic", default=False)
    if deterministic and kind not in (ProtectionKind.ENCRYPT, None):
        section.problem("deterministic", "only encryption can be deterministic", "leave it out")
        return False
    if not deterministic:
        if section.has("discloses"):
            section.problem(
                "discloses", "nothing that a contract has to say", "only with deterministic: true"
            )
        return False
    if section.has("discloses"):
        section.choice("discloses", Disclosed)
    else:
        section.problem(
            "discloses",
            "is missing; deterministic tokens show which values are equal, and how often each is",
            "say discloses: equality if joins need it, else leave deterministic out",
        )
    return True


def _join_domain(section: Section, *, deterministic: bool) -> str | None:
    name = section.text("join_domain", default="")
    if not name:
        return None
    if not deterministic:
        section.problem(
            "join_domain", "only deterministic tokens can be joined", "deterministic: true"
        )
    elif not _DOMAIN.match(name):
        section.problem("join_domain", "may hold letters, digits and _ only")
    return name


def _only_generalises(section: Section, kind: ProtectionKind | None) -> bool:
    """Whether a period or a width is given as it should; reports where not."""
    given = [key for key in ("to", "width") if section.has(key)]
    if kind is ProtectionKind.GENERALISE:
        if len(given) != 1:
            section.problem(
                "kind",
                "generalise needs one of `to` and `width`",
                "to: month or year for dates and timestamps, width: 100 for numbers",
            )
    elif kind is not None:
        for key in given:
            section.problem(key, "only generalise has one", "leave it out")
    return section.has("width")


def _width(section: Section) -> Decimal | None:
    value = section.value.get("width")
    if not is_number(value) or value <= 0:
        section.problem("width", "must be a number above 0")
        return None
    return Decimal(str(value)).normalize()
