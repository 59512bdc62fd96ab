"""How a column is protected, in words: by what technique, who said so, who can undo it."""

from __future__ import annotations

from contracts.model import Column, Protection, ProtectionKind

_NOBODY = "nobody"


def protection_text(column: Column) -> str:
    """How a column is protected; empty where it is not."""
    how = column.protection
    if how is None:
        return ""
    words = {
        ProtectionKind.ENCRYPT: "encrypted" + (", equal values alike" if how.deterministic else ""),
        ProtectionKind.PSEUDONYMISE: "pseudonymised",
        ProtectionKind.MASK: f"masked but for {how.keep} characters" if how.keep else "masked",
        ProtectionKind.GENERALISE: f"generalised to {_coarser(how)}",
        ProtectionKind.REDACT: "redacted",
    }
    return words[how.kind]


def _coarser(how: Protection) -> str:
    return f"bands of {how.width:f}" if how.width is not None else f"the {how.period}"


def stated_by(column: Column) -> str:
    """Whose word the protection is: a rule's or the column's own; empty where there is none."""
    if column.protection is None:
        return ""
    if column.protected_by_rule is None:
        return "the column"
    return f"the rule for {column.protected_by_rule}"


def undone_by(column: Column) -> str:
    """Who can get the clear value from what is stored; empty where it is stored in the clear."""
    how = column.protection
    if how is None:
        return ""
    if how.kind is ProtectionKind.ENCRYPT:
        if how.join_domain is not None:
            return f"holders of the key of the join domain {how.join_domain}"
        return (
            f"holders of the table's {'deterministic' if how.deterministic else 'encryption'} key"
        )
    if how.kind is ProtectionKind.PSEUDONYMISE:
        return "nobody; the pseudonym key tests a guess"
    return _NOBODY
