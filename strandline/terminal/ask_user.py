"""Asking who typed a command whether to go on."""

from __future__ import annotations

import sys

from strandline.terminal.console_output import CommandOutput

NOT_AGREED = 65
"""The exit code of a command that did not get a yes."""


def agreed(screen: CommandOutput, question: str) -> bool:
    """Whether the user says yes; without a terminal, and for JSON, the answer is no."""
    if screen.as_json or not (sys.stdin.isatty() and screen.err.is_terminal):
        return False
    try:
        answer = screen.err.input(f"{question} [y/N] ", markup=False)
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
