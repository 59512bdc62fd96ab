"""Java's regular expressions, which Spark runs, as Python's."""

from __future__ import annotations

import re

_TERMINATORS = r"\n\r\u0085\u2028\u2029"
_OUTSIDE_CLASSES = re.compile(
    r"(?P<escape>\\.)"
    r"|(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<group>\(\?<(?=[A-Za-z]))"
    r"|(?P<flags>\(\?[a-zA-Z-]+[:)])"
    r"|(?P<end>\$)"
    r"|(?P<dot>\.)",
    re.DOTALL,
)
_OTHER_ESCAPES = frozenset("bBZGRXhHvVpPQEkN0")
"""After a backslash these mean another thing in each of the two, or nothing in one of them."""
_OTHER_IN_CLASSES = re.compile(r"(?:^|[^\\])(?:\\\\)*(?:\[|\\[bvVhHpPN0])")
_SAME_FLAGS = frozenset("is")


def python_pattern(java: str) -> str | None:
    """The Python pattern that matches the same texts, under `re.ASCII` and as a whole.

    None where there is none: classes within classes, word boundaries, multi-line flags, `$` within.
    """
    parts: list[str] = []
    position = 0
    any_character = f"[^{_TERMINATORS}]"
    for match in _OUTSIDE_CLASSES.finditer(java):
        parts.append(java[position : match.start()])
        position = match.end()
        said = _said(match, any_character)
        if said is None:
            return None
        if match["flags"] and "s" in match["flags"].partition("-")[0]:
            if not match["flags"].endswith(")"):
                return None
            any_character = r"[\s\S]"
        parts.append(said)
    parts.append(java[position:])
    pattern = "".join(parts)
    try:
        re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None
    return pattern


def _said(match: re.Match[str], any_character: str) -> str | None:
    text = match[0]
    if _differs(match):
        return None
    if match["group"]:
        return "(?P<"
    if match["dot"]:
        return any_character
    return r"\Z" if text == r"\z" else text


def _differs(match: re.Match[str]) -> bool:
    """Whether Python has nothing that means the same."""
    text = match[0]
    if match["escape"]:
        return text[1] in _OTHER_ESCAPES
    if match["class"]:
        inner = text[1:-1]
        return "&&" in inner or bool(_OTHER_IN_CLASSES.search(inner))
    if match["flags"]:
        letters = set(text) - set("(?:)")
        return not letters <= _SAME_FLAGS or match.start() > 0
    if match["end"]:
        # Before a last line break too, and Java has more of these: the same where nothing follows.
        return bool(match.string[match.end() :].strip(")"))
    return False
