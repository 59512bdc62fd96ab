"""What Prefect's pages show beside each of Strandline's block types."""

from __future__ import annotations

from typing import Final

from pydantic import HttpUrl

__all__ = ["BLOCK_DOCUMENTATION", "KEY_LOGO", "STORAGE_LOGO"]

BLOCK_DOCUMENTATION: Final = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
"""How blocks are made, saved and loaded."""

_LOGOS = "https://cdn.sanity.io/images/3ugk85nk/production/"

STORAGE_LOGO: Final = HttpUrl(f"{_LOGOS}ad39089fa66d273b943394a68f003f7a19aa850e-48x48.png")
"""Prefect's own mark for a place where data lies."""

KEY_LOGO: Final = HttpUrl(f"{_LOGOS}c6f20e556dd16effda9df16551feecfb5822092b-48x48.png")
"""Prefect's own mark for a secret."""
