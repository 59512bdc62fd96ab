"""Contract documents to change, and files to write them to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

LONG = Path(__file__).parent / "long_form"
"""Contracts that say all there is, as they were written before short ones were read."""


@pytest.fixture
def document() -> dict[str, Any]:
    """The specification's contract as plain values, free to be changed."""
    return yaml.safe_load((LONG / "new_source_table.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a document (or text) to a contract file of the given stem."""

    def write(content: Any, stem: str = "new_source_table") -> Path:
        path = tmp_path / f"{stem}.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return path

    return write
