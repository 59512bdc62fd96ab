from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from rich.text import Text

from tools.session_recording.__main__ import COMMANDS, DOCUMENT
from tools.session_recording.animated_terminal import Screen, animated_terminal
from tools.session_recording.run_in_terminal import CommandFailedError, run_in_terminal

SVG = "{http://www.w3.org/2000/svg}"
TOOL = r"""import os, sys
print(f"{os.get_terminal_size().columns} \x1b[1;31mred\x1b[0m", sys.path[0])
"""


def drawn(*screens: Screen) -> ET.Element:
    return ET.fromstring(animated_terminal("a session", screens, columns=80))  # noqa: S314


def words_of(element: ET.Element) -> str:
    return " ".join("".join(text.itertext()) for text in element.iter(f"{SVG}text"))


def test_a_command_runs_in_a_terminal_of_that_width_and_keeps_its_colours(tmp_path):
    (tmp_path / "tool.py").write_text(TOOL)
    command = [sys.executable, str(tmp_path / "tool.py")]
    (line,) = run_in_terminal(
        command, columns=77, rows=10, folder=tmp_path, hidden={str(tmp_path): "HERE"}
    )

    assert line.plain == "77 red HERE"
    assert [(line.plain[s.start : s.end], str(s.style)) for s in line.spans] == [
        ("red", "bold color(1)")
    ]


def test_a_command_that_fails_is_no_part_of_a_recording(tmp_path):
    with pytest.raises(CommandFailedError, match="ended with 3"):
        run_in_terminal(
            [sys.executable, "-c", "raise SystemExit(3)"],
            columns=80, rows=10, folder=tmp_path, hidden={},
        )  # fmt: skip


def test_each_screen_has_its_command_and_its_lines_and_text_is_no_markup():
    odd = "</text><script>x & y</script>"
    svg = drawn(
        Screen("one", [Text.assemble("  plain ", ("bold", "bold"), (odd, "color(9)"))]),
        Screen("two", [Text("second"), Text("")]),
    )
    first, second = (svg.find(f"{SVG}g[@id='s{i}']") for i in range(2))

    assert first is not None
    assert second is not None
    assert words_of(first).startswith("$one")
    assert odd in words_of(first)
    assert "second" in words_of(second)
    assert not [*svg.iter(f"{SVG}script")]
    places = {"".join(span.itertext()): span.attrib for span in first.iter(f"{SVG}tspan")}
    assert places["bold"]["class"] == "b"
    assert places[odd]["class"] == "red"
    assert float(places["plain"]["x"]) > float(places["$"]["x"])


def test_screens_follow_each_other_and_stand_still_where_less_motion_is_asked_for():
    screens = [Screen(typed, [Text(typed)]) for typed in ("one", "two", "three")]
    style = drawn(*screens).findtext(f"{SVG}style", "")
    frames = r"@keyframes s\d+\{(?:0%\{opacity:0\})?([\d.]+)%.*?([\d.]+)%\{opacity:0"
    ends = re.findall(frames, style)

    assert [begins for begins, _ in ends[1:]] == [end for _, end in ends[:-1]]
    assert (float(ends[0][0]), float(ends[-1][1])) == (0.0, 100.0)
    assert "prefers-reduced-motion:reduce" in style
    assert "#s1,#s2{display:none}" in style


def test_the_recorded_session_has_all_commands_and_loads_nothing():
    text = DOCUMENT.read_text(encoding="utf-8")
    svg = ET.fromstring(text)  # noqa: S314

    assert len(text.encode()) < 300_000
    for i, command in enumerate(COMMANDS):
        screen = svg.find(f"{SVG}g[@id='s{i}']")
        assert screen is not None
        assert command in words_of(screen)
        assert len([*screen.iter(f"{SVG}text")]) > 4
    assert re.findall(r"url\(|@import|<image|href|<script", text) == []
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"(?:^|[\s>])/(?:home|root|tmp|work|Users)\b", text)
    assert Path(DOCUMENT).name in (DOCUMENT.parents[1] / "README.md").read_text(encoding="utf-8")
