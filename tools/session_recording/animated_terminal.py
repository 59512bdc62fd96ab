"""Commands and their output as one SVG that plays by itself, and loads and runs nothing.

Each command is typed, its output is shown for a while, and the next screen follows. Where less
motion is asked for, the first screen stands still.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from strandline.page_elements.html_elements import Html, element, joined

_SIZE, _LINE, _EDGE, _BAR = 13.0, 17.5, 16, 34
_CHARACTER = _SIZE * 0.602
_GROUND, _INK, _FAINT = "#11161c", "#e8edf2", "#8b98a5"
_PROMPT = "$ "
_COLOURS = {
    "red": "#ff9c91",
    "green": "#5fd0a5",
    "yellow": "#efb75a",
    "blue": "#8abcf7",
    "magenta": "#d3a8f5",
    "cyan": "#7fd4dd",
    "white": _INK,
}
_NAMES = ("black", *_COLOURS)
"""The terminal's first eight colours in their order; the next eight are the same, brighter."""
_TYPED_PER_SECOND, _AFTER_TYPING = 28, 0.5
_READ_PER_LINE, _LEAST_READ = 0.28, 4.0


@dataclass(frozen=True, slots=True)
class Screen:
    """A command and the lines that it wrote."""

    typed: str
    lines: Sequence[Text]


@dataclass(frozen=True, slots=True)
class _Times:
    """When a screen begins, has been typed, and ends, in seconds."""

    begins: float
    typed: float
    shown: float
    ends: float


def animated_terminal(title: str, screens: Sequence[Screen], *, columns: int) -> str:
    """The SVG; it is as high as the longest screen."""
    rows = max(len(screen.lines) for screen in screens) + 2
    width = round(2 * _EDGE + columns * _CHARACTER)
    height = round(_BAR + _EDGE + rows * _LINE)
    times = [*_schedule(screens)]
    whole = times[-1].ends
    parts = [
        element("title", title),
        element("desc", "; ".join(screen.typed for screen in screens)),
        element("style", Html(_style(screens, times, whole))),
        element("rect", width=width, height=height, rx=10, fill=_GROUND),
        *[element("circle", cx=_EDGE + 6 + 18 * i, cy=18, r=5.5, fill="#38444f") for i in range(3)],
        *[_screen(i, screen, columns) for i, screen in enumerate(screens)],
    ]
    return (
        element(
            "svg",
            *parts,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width} {height}",
            width=width,
            height=height,
            role="img",
            aria_label=title,
        )
        + "\n"
    )


def _schedule(screens: Sequence[Screen]) -> Iterator[_Times]:
    now = 0.0
    for screen in screens:
        typed = now + len(screen.typed) / _TYPED_PER_SECOND
        shown = typed + _AFTER_TYPING
        ends = shown + max(_LEAST_READ, _READ_PER_LINE * len(screen.lines))
        yield _Times(now, typed, shown, ends)
        now = ends


def _style(screens: Sequence[Screen], times: Sequence[_Times], whole: float) -> str:
    rules = [
        f"text{{font:{_SIZE:g}px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;"
        f"fill:{_INK};white-space:pre}}.b{{font-weight:700}}.d{{fill:{_FAINT}}}"
        + "".join(f".{name}{{fill:{colour}}}" for name, colour in _COLOURS.items())
    ]
    for i, (screen, at) in enumerate(zip(screens, times, strict=True)):
        begins, typed, shown, ends = (
            f"{100 * moment / whole:.3f}%" for moment in (at.begins, at.typed, at.shown, at.ends)
        )
        before = "" if i == 0 else "0%{opacity:0}"
        right = f"translateX({len(screen.typed) * _CHARACTER:.1f}px)"
        moved = f"{typed},100%{{transform:{right}}}"
        steps = f"animation-timing-function:steps({len(screen.typed)})"
        rules += [
            f"@keyframes s{i}{{{before}{begins}{{opacity:1}}{ends}{{opacity:0}}}}",
            f"@keyframes o{i}{{0%{{opacity:0}}{shown}{{opacity:1}}{ends}{{opacity:0}}}}",
            f"@keyframes t{i}{{0%,{begins}{{transform:none;{steps}}}{moved}}}",
            f"#s{i}{{animation:s{i} {whole:.1f}s step-end infinite}}",
            f"#o{i}{{animation:o{i} {whole:.1f}s step-end infinite}}",
            f"#t{i}{{animation:t{i} {whole:.1f}s infinite}}",
        ]
    others = ",".join(f"#s{i}" for i in range(1, len(screens)))
    still = f"{others}{{display:none}}" if others else ""
    rules.append(
        "@media(prefers-reduced-motion:reduce){g,rect{animation:none!important}"
        f".cover{{display:none}}{still}}}"
    )
    return "".join(rules)


def _screen(number: int, screen: Screen, columns: int) -> Html:
    first = _BAR + _LINE
    prompt = Text.assemble((_PROMPT, "green"), (screen.typed, "bold"))
    start = _EDGE + len(_PROMPT) * _CHARACTER
    cover = element(
        "rect",
        x=start,
        y=first - _LINE + 3,
        width=columns * _CHARACTER - len(_PROMPT) * _CHARACTER,
        height=_LINE + 2,
        fill=_GROUND,
        id=f"t{number}",
        class_="cover",
    )
    lines = [_line(text, first + (i + 1) * _LINE) for i, text in enumerate(screen.lines)]
    return element(
        "g",
        _line(prompt, first),
        cover,
        element("g", *lines, id=f"o{number}"),
        id=f"s{number}",
    )


def _line(text: Text, y: float) -> Html:
    """A line as one text; each stretch of a style has its own place, whatever the font is."""
    parts, column = [], 0
    for segment in text.render(_CONSOLE):
        wide = cell_len(segment.text)
        if segment.text.strip():
            stripped = segment.text.lstrip(" ")
            left = column + wide - cell_len(stripped)
            shown = stripped.rstrip(" ")
            parts.append(
                element(
                    "tspan",
                    shown,
                    x=_EDGE + left * _CHARACTER,
                    textLength=cell_len(shown) * _CHARACTER,
                    class_=_classes(segment.style),
                )
            )
        column += wide
    return element("text", *parts, y=y) if parts else joined(())


def _classes(style: Style | None) -> str | None:
    """The CSS classes of a style: its colour by name, bold, faint."""
    if style is None:
        return None
    number = style.color.number if style.color else None
    name = "" if number is None or number >= 2 * len(_NAMES) else _NAMES[number % len(_NAMES)]
    names = [
        *(["b"] if style.bold else []),
        *(["d"] if style.dim or name == "black" else []),
        *([name] if name in _COLOURS else []),
    ]
    return " ".join(names) or None


_CONSOLE = Console(width=1_000, color_system="truecolor", legacy_windows=False)
