"""`python -m tools.page_tests ENVIRONMENT`: what is wrong with the pages in a real browser.

With `--pictures` it keeps those of docs/ anew; with `--site FOLDER` it opens all pages of a site
that was built there. The environment is what `make` builds for it: a driver of browsers, a
Chromium for Linux on x86-64, and axe-core, all of them with their hashes. On other machines an
installed Chromium or Chrome is opened.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image

from tools.page_tests.example_pages import CONTRACT, REPORT, write_pages

DOCS = Path(__file__).parents[2] / "docs"
SCHEMES = ("light", "dark")
PHONE, DESKTOP = 390, 1280
"""Widths in pixels."""
VIEWS = tuple(product((PHONE, DESKTOP), SCHEMES))
_SITE_VIEWS = ((PHONE, "light"), (DESKTOP, "dark"))
_AT_ONCE = 10
PICTURES = {
    "quality-report": (REPORT, "", (1180, 1960)),
    "catalogue": (CONTRACT, "lineage", (1180, 1090)),
}
"""By the beginning of its file's name in docs/: the page, a place on it, and the pixels shown."""
_SCRIPT = Path(__file__).with_name("browse_pages.py")
_INSTALLED = (
    "chromium", "chromium-browser", "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)  # fmt: skip
_COLOURS, _LARGEST, _SECONDS = 256, 200_000, 300
_NO_BROWSER, _WRONG = 78, 70


class NoBrowserError(RuntimeError):
    """There is no browser for this machine."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One page, at one width, in one colour scheme, and what is wrong with it."""

    page: str
    width: int
    scheme: str
    problems: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    """Open the pages; the exit code."""
    environment = Path(arguments[0]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            if "--pictures" in arguments:
                return _keep_pictures(environment, folder)
            if "--site" in arguments:
                site = Path(arguments[arguments.index("--site") + 1])
                found = tuple(open_site(environment, folder, site))
            else:
                found = open_pages(environment, folder)
        except NoBrowserError as error:
            sys.stderr.write(f"{error}\n")
            return _NO_BROWSER
    for each in found:
        state = "✓" if not each.problems else f"✕ {len(each.problems)}"
        print(f"{each.page:38} {each.width:5} px  {each.scheme:5}  {state}")
        for problem in each.problems:
            print(f"    {problem}")
    return _WRONG if any(each.problems for each in found) else 0


def open_pages(
    environment: Path, folder: Path, views: Sequence[tuple[int, str]] = VIEWS
) -> tuple[Opened, ...]:
    """Write the pages into the folder and open each at these widths, light or dark."""
    pages = [page.as_uri() for page in write_pages(folder)]
    answer = browse(environment, folder, pages=pages, views=views)
    return tuple(
        Opened(
            each["page"].rpartition(f"{folder.name}/")[2],
            each["width"],
            each["scheme"],
            tuple(each["problems"]),
        )
        for each in answer["found"]
    )


def open_site(
    environment: Path, folder: Path, site: Path, views: Sequence[tuple[int, str]] = _SITE_VIEWS
) -> Iterator[Opened]:
    """Open each page of a site at these widths, light or dark.

    It is served, as its pages load scripts and styles of their own.
    """
    found = (page.relative_to(site) for page in sorted(site.rglob("*.html")))
    # A part whose name begins so is the theme's.
    pages = [page.as_posix() for page in found if not page.parts[0].startswith("_")]
    handler = partial(_Unheard, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            beginning = f"http://127.0.0.1:{server.server_port}/"
            for first in range(0, len(pages), _AT_ONCE):
                some = [beginning + page for page in pages[first : first + _AT_ONCE]]
                answer = browse(environment, folder, pages=some, views=views, own=beginning)
                for each in answer["found"]:
                    name = each["page"].removeprefix(beginning)
                    yield Opened(name, each["width"], each["scheme"], tuple(each["problems"]))
        finally:
            server.shutdown()


class _Unheard(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Nobody reads which files were asked for."""


def browse(
    environment: Path,
    folder: Path,
    *,
    pages: Sequence[str] = (),
    views: Sequence[tuple[int, str]] = VIEWS,
    pictures: Sequence[Mapping[str, Any]] = (),
    own: str = "",
) -> Mapping[str, Any]:
    """Have the environment's driver open pages and take pictures; what it answers.

    Args:
        environment: What `make` built.
        folder: For the job.
        pages: Their addresses.
        views: Widths and colour schemes.
        pictures: Pages with the size and the file of a picture of each.
        own: How addresses begin that a page may load from; empty: it may load nothing at all, and
            say nothing. One that may has libraries that say what is no fault.

    Raises:
        NoBrowserError: There is none for this machine.
    """
    browser, variables = _browser(environment)
    job = folder / "job.json"
    job.write_text(
        json.dumps(
            {
                "browser": str(browser),
                "environment": variables,
                "axe": str(environment / "node_modules" / "axe-core" / "axe.min.js"),
                "pages": [*pages],
                "own": own,
                "views": [*views],
                "pictures": [*pictures],
            }
        ),
        encoding="utf-8",
    )
    command = [str(environment / "bin" / "python"), str(_SCRIPT), str(job)]
    ended = subprocess.run(  # noqa: S603 - our own script
        command, stdout=subprocess.PIPE, text=True, timeout=_SECONDS, check=True
    )
    answer: Mapping[str, Any] = json.loads(ended.stdout)
    return answer


def _browser(environment: Path) -> tuple[Path, Mapping[str, str]]:
    """The program, and the variables that it needs."""
    folder = environment / "browser"
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        fonts = folder / "fonts.conf"
        fonts.write_text(
            '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
            f"<dir>{Path(mpl.get_data_path(), 'fonts', 'ttf')}</dir>"
            f"<cachedir>{folder / 'fonts-cache'}</cachedir>"
            "</fontconfig>",
            encoding="utf-8",
        )
        # Its own libraries, and matplotlib's fonts, which have signs and a fixed width: a machine
        # may have neither, and pictures are alike everywhere.
        libraries = folder / "al2023" / "lib"
        return folder / "chromium", {
            "LD_LIBRARY_PATH": str(libraries),
            "FONTCONFIG_FILE": str(fonts),
        }
    installed = next(filter(None, map(shutil.which, _INSTALLED)), None)
    if installed is None:
        message = f"no browser is shipped for this machine; install one of {', '.join(_INSTALLED)}"
        raise NoBrowserError(message)
    return Path(installed), {}


def _keep_pictures(environment: Path, folder: Path) -> int:
    write_pages(folder)
    wanted = {
        f"{name}-{scheme}.png": {
            "page": (folder / page).as_uri() + (place and f"#{place}"),
            "size": size,
            "scheme": scheme,
            "file": str(folder / f"{name}-{scheme}.png"),
        }
        for name, (page, place, size) in PICTURES.items()
        for scheme in SCHEMES
    }
    browse(environment, folder, pictures=[*wanted.values()])
    for name in wanted:
        kept = DOCS / name
        with Image.open(folder / name) as picture:
            few = picture.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE)
            few.save(kept, optimize=True)
        if kept.stat().st_size > _LARGEST:
            sys.stderr.write(f"{kept} has {kept.stat().st_size:,} bytes\n")
            return _WRONG
        print(kept)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
