"""Open an example of the quality report in a real Chromium, light and dark, and keep pictures.

`python -m tools.take_report_screenshots` writes them to `docs/`. It fails where the browser runs
the page's script otherwise than the page promises, and where a picture is too large. Chromium has
to be installed; no other task of the house needs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from strandline.report_page.quality_page import quality_page
from tools.example_quality_report import example_report

DOCS = Path(__file__).parents[1] / "docs"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SCHEMES = {"dark": 0, "light": 1}
"""How Chromium's settings name the schemes that a user may prefer."""
_SIZE = (1180, 1960)
_COLOURS = 256
_LARGEST = 200_000
_RUN_BY_SCRIPT = "step through the marks with the arrow keys"
_SECONDS = 120


def main() -> int:
    """Take the pictures; the exit code."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"none of {', '.join(_BROWSERS)} is installed\n")
        return 78
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "report.html"
        made_at = datetime(2024, 4, 29, 9, tzinfo=UTC)
        page.write_text(quality_page(example_report(), made_at=made_at), encoding="utf-8")
        document = _browse(browser, folder, page, "--dump-dom")
        if _RUN_BY_SCRIPT not in document:
            sys.stderr.write("the page's script did not run: does its policy name it?\n")
            return 70
        for scheme, number in _SCHEMES.items():
            taken = folder / f"{scheme}.png"
            _browse(
                browser,
                folder,
                page,
                f"--screenshot={taken}",
                f"--window-size={_SIZE[0]},{_SIZE[1]}",
                f"--blink-settings=preferredColorScheme={number}",
            )
            kept = DOCS / f"quality-report-{scheme}.png"
            with Image.open(taken) as picture:
                picture.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).save(
                    kept, optimize=True
                )
            if kept.stat().st_size > _LARGEST:
                sys.stderr.write(f"{kept} has {kept.stat().st_size:,} bytes\n")
                return 70
            sys.stdout.write(f"{kept}\n")
    return 0


def _browse(browser: str, folder: Path, page: Path, *options: str) -> str:
    # As root, as in a container, Chromium has no sandbox to run the page in.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
        *sandbox,
        *options,
        page.as_uri(),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
