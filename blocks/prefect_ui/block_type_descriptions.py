"""What Prefect's pages show beside each of Strandline's block types."""

from __future__ import annotations

from typing import Final

from pydantic import HttpUrl

__all__ = ["BLOCK_DOCUMENTATION", "KEY_LOGO", "STORAGE_LOGO"]

BLOCK_DOCUMENTATION: Final = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
"""How blocks are made, saved and loaded."""

_LOGOS = (
    "https://raw.githubusercontent.com/PrefectHQ/prefect/"
    "420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos"
)

STORAGE_LOGO: Final = HttpUrl(f"{_LOGOS}/filesystem.png")
"""Prefect's own logo for storage."""

KEY_LOGO: Final = HttpUrl(f"{_LOGOS}/secret.png")
"""Prefect's own logo for a secret."""
