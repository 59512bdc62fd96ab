"""How serious a failed check is."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """What a failed check does.

    REFUSE: a row goes to quarantine; a limit on the whole batch stops it. WARN: it is counted.
    """

    REFUSE = "refuse"
    WARN = "warn"
