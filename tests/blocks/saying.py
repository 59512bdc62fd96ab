"""How a script that a test runs says what went well, a line each."""

from __future__ import annotations


def say(what: str, good: bool) -> None:
    print(f"{what}: {'ok' if good else 'wrong'}", flush=True)  # noqa: T201
