"""A contract's `roles` as rights to read, and its `access`: which column classifies the rows."""

from __future__ import annotations

from contracts.model import AboveLevel, Classification, Role, RowRight
from contracts.yaml_reading.yaml_section import Section

_KEYS = ("level", "above", "allow", "deny", "mask", "rows", "decrypt")
_ROW_KEYS = ("level", "current", "where")
_ACCESS_KEYS = ("row_classification",)


def read_roles(root: Section) -> tuple[Role, ...]:
    """The roles, in the file's order; one without words of ours has the rights of the default."""
    return tuple(_role(section) for section in root.children("roles"))


def row_classification(extension: Section) -> str | None:
    """The target column that classifies the rows; None: none does."""
    section = extension.child("access")
    if section is None:
        return None
    section.only(_ACCESS_KEYS)
    return section.text("row_classification") or None


def _role(section: Section) -> Role:
    name, access = section.text("role"), section.text("access", default="")
    description = section.text("description", default="")
    words = section.extension()
    if words is None:
        return Role(name=name, access=access, description=description)
    words.only(_KEYS)
    default = Role(name="")
    return Role(
        name=name,
        access=access,
        description=description,
        level=words.choice("level", Classification, default=default.level) or default.level,
        above=words.choice("above", AboveLevel, default=default.above) or default.above,
        allow=words.texts("allow", default=()),
        deny=words.texts("deny", default=()),
        mask=_mask(words),
        rows=_rows(words),
        decrypt=words.texts("decrypt", default=()),
    )


def _mask(words: Section) -> dict[str, int]:
    section = words.child("mask")
    if section is None:
        return {}
    return {str(name): section.integer(str(name)) for name in section.value}


def _rows(words: Section) -> RowRight:
    section = words.child("rows")
    if section is None:
        return RowRight()
    section.only(_ROW_KEYS)
    return RowRight(
        level=section.choice("level", Classification) if section.has("level") else None,
        current=section.flag("current", default=False),
        where=section.text("where", default=""),
    )
