"""Whom the rows of a contract are about, and what becomes of them when their retention is over."""

from __future__ import annotations

from contracts.model import RetentionAction, RetentionRule, RetentionStart
from contracts.yaml_reading.yaml_section import Section

_KEYS = ("subject", "subjectKeys", "retention")
_RETENTION_KEYS = ("action", "from")


def read_subject(extension: Section) -> tuple[str, ...]:
    """The target columns that name the person a row is about; empty: the contract does not say."""
    section = extension.child("privacy")
    if section is None:
        return ()
    section.only(_KEYS)
    return section.texts("subject", default=())


def read_subject_keys(extension: Section) -> bool:
    """Whether each person's values are encrypted with a key of their own; no by default."""
    section = extension.child("privacy")
    return section is not None and section.flag("subjectKeys", default=False)


def read_retention(extension: Section) -> RetentionRule | None:
    """What is done with records that were kept long enough; None: the contract does not say."""
    privacy = extension.child("privacy")
    section = privacy.child("retention") if privacy else None
    if section is None:
        return None
    section.only(_RETENTION_KEYS)
    action = section.choice("action", RetentionAction)
    start = section.choice("from", RetentionStart, default=RetentionStart.RECORD_END)
    return RetentionRule(action, start) if action and start else None
