"""Each drill's times against RPO and RTO, in a table at the end of the tests."""

from __future__ import annotations

import pytest

from tests.flows.recovery.recovery_places import RPO, RTO, Drill


@pytest.fixture
def drill(record_property, request):
    """The clock of a drill; what it lost and how long it took must keep RPO and RTO."""
    clock = Drill()
    yield clock
    name = request.node.name.removeprefix("test_").replace("_", " ")
    record_property("drill", f"{name}|{clock.lost_seconds:.1f}|{clock.seconds:.1f}")
    assert clock.lost_seconds <= RPO
    assert clock.seconds <= RTO


def pytest_terminal_summary(terminalreporter):
    lines = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "drill":
                    lines[report.nodeid] = value.split("|")
    if not lines:
        return
    write = terminalreporter.write_line
    terminalreporter.section("recovery drills, RPO 1 h and RTO 4 h")
    write(f"{'drill':<72} {'lost since':>10} {'recovered in':>13}")
    for name, lost, took in lines.values():
        write(f"{name:<72} {lost + ' s':>10} {took + ' s':>13}")
