"""Report and catalogue in a real browser, and that what is wrong with a page is found."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.page_tests.__main__ import DESKTOP, PHONE, VIEWS, browse, open_pages
from tools.page_tests.example_pages import CONTRACT, INDEX, REPORT

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-pages"
BAD = """<!DOCTYPE html><html><head><title>bad</title>
<style>:focus-visible{outline:none} p{color:#aaa;background:#fff;width:900px}</style></head><body>
<main><h1>bad</h1><p>pale</p><a href="#x">no outline</a>
<button tabindex="-1">out of reach</button><img src="missing.png"></main>
<script>console.log("said"); missing()</script></body></html>"""


@pytest.fixture(scope="module")
def environment() -> Path:
    """The browser with its driver, installed from the lock files where it is not there yet."""
    variables = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    make = shutil.which("make")
    assert make
    subprocess.run([make, "--silent", ".venv-pages/.ready"], cwd=ROOT, env=variables, check=True)
    return ENVIRONMENT


@pytest.mark.parametrize(
    "views",
    [
        pytest.param([(PHONE, "light"), (DESKTOP, "dark")], id="two views"),
        pytest.param([*VIEWS], id="all views", marks=pytest.mark.nightly),
    ],
)
def test_nothing_is_wrong_with_any_page(environment, tmp_path, views):
    found = open_pages(environment, tmp_path, views)

    assert [each for each in found if each.problems] == []
    assert {each.page for each in found} == {REPORT, INDEX, CONTRACT}
    assert len(found) == 3 * len(views)


def test_what_is_wrong_with_a_page_is_found(environment, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(BAD)
    (found,) = browse(environment, tmp_path, pages=[page.as_uri()], views=[(PHONE, "light")])[
        "found"
    ]
    problems = "\n".join(found["problems"])

    for words in (
        "console: said",
        "script: missing is not defined",
        "loads file://",
        "axe color-contrast",
        "axe image-alt",
        "axe html-has-lang",
        "no outline when focused: <a href",
        "not reached by the tab key: <button",
        f"{PHONE} are shown",
    ):
        assert words in problems
