"""The page of all commands: their arguments, options and defaults, as the parser has them."""

from __future__ import annotations

import re

from strandline.command_line import app
from strandline.help_examples import EXAMPLES

__all__ = ["commands_page"]

_HEAD = """\
# Every command and option

From the command line itself, by `python -m tools.reference_pages`. What commands are for, and what
they answer, is in [the command line](../command-line.md).

"""
_NOT_SAID = re.compile(r" \*\[default: (?:False|\(\)|None|\"\"|'')\]\*")
"""Defaults that only say that nothing was typed."""
_OF_THIS_USER = re.compile(r"(Default: the login name\.) \*\[default: [^]]*\]\*")
_LISTS = re.compile(r"\n\*\*Commands\*\*:\n\n(?:\* .*\n)+|\n## Table of Contents\n\n(?:.*\n)+?\n")


def commands_page() -> str:
    """The page."""
    # The library takes how this program was started for a part of the commands' names.
    text = re.sub(
        r"^(strandline [a-z -]*?) -m \S+",
        r"\1",
        app.generate_docs(output_format="markdown"),
        flags=re.MULTILINE,
    )
    _, _, commands = _LISTS.sub("\n", text).partition("\n## strandline init\n")
    commands, _, _ = f"## strandline init\n{commands}".partition("\n## strandline --install")
    commands = _OF_THIS_USER.sub(r"\1", _NOT_SAID.sub("", commands))
    commands = commands.replace("```console", "```text")
    commands = re.sub(r"^\*\*(Arguments|Parameters)\*\*:$", r"**\1**", commands, flags=re.MULTILINE)
    for command, example in EXAMPLES.items():
        heading = rf"(^##+ strandline {command}\n(?:.*\n)*?```\n(?=\n))"
        shown = f"\\1\n```sh\nstrandline {example}\n```\n"
        commands = re.sub(heading, shown, commands, count=1, flags=re.MULTILINE)
    return f"{_HEAD}{re.sub(chr(10) + '{3,}', chr(10) * 2, commands).strip()}\n"
