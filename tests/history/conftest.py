"""Says at the end how many generated event sets were compared with the reference."""

from __future__ import annotations

from pytest import TerminalReporter  # noqa: PT013 - pytest exports it under this name only


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    told = [
        dict(report.user_properties)
        for report in terminalreporter.stats.get("passed", [])
        if any(name == "examples" for name, _ in report.user_properties)
    ]
    if told:
        examples, histories = (sum(each[n] for each in told) for n in ("examples", "histories"))
        terminalreporter.write_line(
            f"{examples:,} generated event sets in {len(told)} tables, "
            f"{histories:,} histories: each is that of the reference"
        )
