"""Asking who typed a command: whether to go on, and what an option would have said."""

from __future__ import annotations

import sys

from strandline.terminal.console_output import CommandOutput

NOT_AGREED = 65
"""The exit code of a command that did not get a yes."""


def is_asked(screen: CommandOutput) -> bool:
    """Whether somebody is there to answer: a terminal to read from and one to ask on."""
    return not screen.as_json and sys.stdin.isatty() and screen.err.is_terminal


def agreed(screen: CommandOutput, question: str, *, default: bool = False) -> bool:
    """Whether the user says yes; without a terminal, and for JSON, the answer is no.

    `default` is what an empty answer means.
    """
    typed = answer(screen, f"{question} {'[Y/n]' if default else '[y/N]'} ")
    if not typed:
        return default and is_asked(screen)
    return typed.lower() in ("y", "yes")


def answer(screen: CommandOutput, question: str, *, hidden: bool = False) -> str:
    """What the user types; empty without a terminal, for JSON, and at the end of input.

    `hidden` shows none of it.
    """
    if not is_asked(screen):
        return ""
    try:
        return screen.err.input(question, markup=False, password=hidden).strip()
    except EOFError:
        return ""
