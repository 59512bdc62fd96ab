"""Whom the rows of a contract are about."""

from __future__ import annotations

from contracts.yaml_reading.yaml_section import Section

_KEYS = ("subject",)


def read_subject(extension: Section) -> tuple[str, ...]:
    """The target columns that name the person a row is about; empty: the contract does not say."""
    section = extension.child("privacy")
    if section is None:
        return ()
    section.only(_KEYS)
    return section.texts("subject", default=())
