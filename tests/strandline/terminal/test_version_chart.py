from __future__ import annotations

import re
from datetime import date

import pytest

from strandline.commands.history_status_commands import at_moment
from strandline.terminal.version_chart import version_chart
from tests.strandline.examples import NOW, day, history_of, text_of, version

TWO = history_of(
    version(day(0), day(60), airport="JFK", carrier="UA", model="737"),
    version(day(60), None, airport="LAX", carrier="UA", model="737-800"),
)


def drawn(history, *, width=120, blocks=True, colour=False) -> list[str]:
    page = version_chart(history, now=NOW, width=width, blocks=blocks)
    return text_of(page, width=width, colour=colour).splitlines()


def line_with(lines: list[str], text: str) -> str:
    return next(line for line in lines if text in line)


def bar_of(line: str) -> tuple[int, int]:
    """Where the bar begins, and where it ends."""
    found = re.search("[█▶]+", line)
    assert found, line
    return found.span()


def test_each_version_has_a_line_with_from_to_and_what_changed():
    lines = drawn(TWO)

    assert "airport=JFK carrier=UA" in line_with(lines, "2024-01-01 → 2024-03-01")
    second = line_with(lines, "2024-03-01 → open")
    assert "airport=LAX" in second
    assert "carrier" not in second


def test_bars_lie_one_after_the_other_to_scale_and_the_open_one_ends_at_the_edge():
    lines = drawn(
        history_of(
            version(day(0), day(60), airport="JFK", carrier="UA"),
            version(day(60), day(90), airport="LAX", carrier="UA"),
            version(day(90), None, airport="BOS", carrier="UA"),
        ),
        width=160,
    )
    first, second, third = (bar_of(line_with(lines, f"airport={a}")) for a in ("JFK", "LAX", "BOS"))

    assert first[1] == second[0]
    assert second[1] == third[0]
    assert (first[1] - first[0]) / (second[1] - second[0]) == pytest.approx(2, abs=0.2)
    assert line_with(lines, "airport=BOS").count("▶") == 1
    assert third[1] - first[0] == 48


def test_the_years_since_the_last_change_do_not_squeeze_what_was_before():
    old = history_of(
        version(date(1990, 1, 1), date(1990, 1, 11), airport="JFK", carrier="UA"),
        version(date(1990, 1, 11), None, airport="LAX", carrier="UA"),
    )
    lines = drawn(old, width=160)
    first, second = (bar_of(line_with(lines, f"airport={a}")) for a in ("JFK", "LAX"))

    assert (first[1] - first[0]) / (second[1] - first[0]) == pytest.approx(0.8, abs=0.03)


def test_the_title_names_table_key_and_how_many_versions_there_are():
    assert drawn(TWO)[0].split() == ["lake.s.aircraft", "tail_number", "N1", "2", "versions"]


def test_the_version_that_holds_now_is_shown_in_full():
    lines = drawn(TWO)

    assert "holds now" in lines
    assert any(re.fullmatch(r"model\s+737-800\s*", line) for line in lines)


def test_a_version_of_a_second_still_has_a_bar():
    lines = drawn(
        history_of(
            version(day(0), day(100), airport="JFK", carrier="UA"),
            version(day(100), day(100).replace(second=1), airport="LAX", carrier="UA"),
            version(day(100).replace(second=1), day(101), airport="BOS", carrier="UA"),
        )
    )

    assert "█" in line_with(lines, "airport=LAX")


def test_a_gap_is_shown_as_one_and_so_is_an_end_without_a_successor():
    lines = drawn(
        history_of(
            version(day(0), day(10), airport="JFK", carrier="UA"),
            version(day(20), day(30), airport="JFK", carrier="UA"),
        )
    )

    gaps = [line for line in lines if "no version" in line]
    assert [line.split(" ")[0] for line in gaps] == ["2024-01-11", "2024-01-31"]
    assert all("·" in line for line in gaps)
    assert "the last version, in full" in lines


def test_what_held_at_a_moment_is_not_taken_for_the_end_of_the_record():
    whole = history_of(
        version(day(0), day(10), airport="JFK", carrier="UA"),
        version(day(10), day(30), airport="LAX", carrier="UA"),
    )

    between = drawn(at_moment(whole, day(5)))
    last = drawn(at_moment(whole, day(20)))

    assert not [line for line in between if "no version" in line]
    assert "held then" in between
    assert [line for line in last if "no version" in line]
    assert "the last version, in full" in last


def test_a_change_that_only_a_protected_column_had_is_not_taken_for_none():
    lines = drawn(
        history_of(
            version(day(0), day(1), airport="encrypted", carrier="UA"),
            version(day(1), None, airport="encrypted", carrier="UA"),
        )
    )

    assert "a change that protection hides" in line_with(lines, "→ open")


@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 200])
def test_nothing_is_wider_than_the_terminal(width: int):
    assert max(len(line.rstrip()) for line in drawn(TWO, width=width)) <= width


def test_without_colour_there_is_no_escape_and_with_it_there_is():
    assert not any("\x1b" in line for line in drawn(TWO))
    assert any("\x1b" in line for line in drawn(TWO, colour=True))


def test_a_terminal_without_unicode_gets_ascii():
    lines = drawn(TWO, blocks=False)

    assert "".join(lines).isascii()
    assert "=" in line_with(lines, "> open")


def test_versions_ordered_by_dates_or_by_numbers_are_drawn_as_well():
    dates = history_of(version(date(2024, 1, 1), None, airport="JFK", carrier="UA"))
    numbers = history_of(
        version(1, 5, airport="JFK", carrier="UA"), version(5, None, airport="LAX", carrier="UA")
    )

    assert line_with(drawn(dates), "2024-01-01 → open")
    assert line_with(drawn(numbers), "1 → 5")
    assert line_with(drawn(numbers), "5 → open")


def test_markup_in_a_value_is_shown_as_it_is():
    lines = drawn(history_of(version(day(0), None, airport="[red]x[/red]", carrier=None)))

    assert "airport=[red]x[/red] carrier=null" in line_with(lines, "→ open")
