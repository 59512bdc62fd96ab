"""The model of a source needs a workplace, as flows do."""

from __future__ import annotations

from tests.flows.conftest import make_workplace

__all__ = ["make_workplace"]
