"""HTML and SVG as text, escaped by construction: what is not `Html` is text and is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_VOID = {"meta", "br", "hr", "wbr", "input"}


class Html(str):
    """Markup that is inserted as it is."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float | None) -> Html:
    """An element with its children.

    Attributes that are None are left out. An underscore in their name stands for a hyphen, and one
    at the end for none: `class_`, `stroke_width`.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{joined(children)}</{tag}>")


def joined(parts: Iterable[str]) -> Html:
    """The parts one after the other; those that are no `Html` are escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def _number(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def stepped_chart(
    name: str, parts: Sequence[Html], *, width: float, height: float, steps: int = 1
) -> Html:
    """An SVG chart whose points the page's script steps through, `steps` of them in a row."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        width=width,
        role="img",
        aria_label=name,
        tabindex="0",
        data_steps=str(steps),
    )
