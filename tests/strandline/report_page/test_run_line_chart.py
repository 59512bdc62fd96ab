from __future__ import annotations

import re

import pytest

from strandline.report_page.check_heat_map import opacity
from strandline.report_page.run_line_chart import RunPoint, Scale, line_chart, nice_ticks
from strandline.report_page.stacked_columns import StackedColumn, share_bar, stacked_columns


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, (0, 2.5, 5, 7.5, 10)),
        (0.93, 1.0, (0.92, 0.94, 0.96, 0.98, 1.0)),
        (5, 5, (0, 2, 4, 6)),
        (0, 0, (-1, -0.75, -0.5, -0.25, 0)),
        (-3, 4, (-4, -2, 0, 2, 4)),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_a_line_is_broken_where_a_run_has_no_value_and_a_stop_has_its_own_shape():
    points = [
        RunPoint("a", 1.0, "first"),
        RunPoint("b", 2.0, "second", stopped=True),
        RunPoint("c", None, "third"),
        RunPoint("d", 3.0, "fourth"),
        RunPoint("e", None, "fifth", stopped=True),
    ]
    chart = line_chart("c", points, Scale(0, 4, str, limit=2.5, limit_text="at most 2.5"))

    assert chart.count("<polyline") == 2
    assert chart.count('class="closed"') == 2
    assert chart.count('class="none"') == 1
    assert "at most 2.5" in chart


def test_a_higher_value_lies_higher():
    chart = line_chart("c", [RunPoint("a", 0.0, ""), RunPoint("b", 10.0, "")], Scale(0, 10, str))
    (place,) = [part.split('"')[1] for part in chart.split("points=")[1:]]
    (_, low), (_, high) = [map(float, point.split(",")) for point in place.split()]

    assert high < low


def test_the_more_rows_failed_the_darker():
    shares = [0.00001, 0.005, 0.03, 0.1, 1.0]

    assert sorted(map(opacity, shares)) == [*map(opacity, shares)]
    assert len({*map(opacity, shares)}) == len(shares)
    assert opacity(1.0) == 1.0


def test_the_parts_of_a_column_are_as_high_as_their_counts():
    chart = stacked_columns("c", [StackedColumn("d", {"held": 30, "released": 10}, "t")])
    height = {
        part: float(found)
        for found, part in re.findall(r'height="([\d.]+)" class="part (\w+)"', chart)
    }

    assert height["held"] == pytest.approx(3 * height["released"], rel=0.01)
    assert height["released"] > 0


def test_a_bar_that_is_not_nothing_can_be_seen():
    assert 'width="2"' in share_bar("a", 0.00001, "warn")
    assert 'width="0"' in share_bar("a", 0.0, "warn")
