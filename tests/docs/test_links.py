"""What a page links to is there: files, and headings in them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, fences, links, name_of

HOSTS = ("http://", "https://", "mailto:")
MOST_OFTEN_LINKED = {"docs/contracts.md", "docs/quality.md", "docs/recovery.md"}


def targets(page: Path):
    """Each link within the project: as it is written, its file, and its anchor."""
    for link in links(page):
        if not link.startswith(HOSTS):
            place, _, anchor = unquote(link).partition("#")
            yield link, (page.parent / place).resolve() if place else page, anchor


def broken(page: Path):
    for link, place, anchor in targets(page):
        if not place.exists() or (
            place.suffix == ".md" and anchor and anchor not in anchors(place)
        ):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_links_to_is_there(page):
    assert [*broken(page)] == []


def test_links_of_text_pictures_and_html_are_seen_with_their_anchors(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A title: `code`, and more\n\n## Twice\n\n## Twice\n\n"
        "[a](#a-title-code-and-more) [b](#twice-1) [c](page.md#twice) ![d](gone.svg)\n"
        "[e](#twice-2) [f](other.md) [g][1]\n\n"
        '<picture>\n<source srcset="dark.png"><img src="light.png">\n</picture>\n\n'
        "```\n[in code](nowhere.md)\n```\n\n[1]: page.md#thrice\n",
        encoding="utf-8",
    )

    assert [*broken(page)] == [
        *("gone.svg", "#twice-2", "other.md", "page.md#thrice", "dark.png", "light.png")
    ]


def test_the_pages_that_are_looked_at_are_those_that_link_most():
    linked = {name_of(place) for page in PAGES for _, place, _ in targets(page) if place in PAGES}

    assert linked > MOST_OFTEN_LINKED


def listed():
    """The pages that an index of the site lists."""
    for page in PAGES:
        for code in fences(page):
            for line in code.text.splitlines() if code.language == "{toctree}" else ():
                name = re.sub(r".*<(.+)>$", r"\1", line)
                if name and not name.startswith(":"):
                    yield from (
                        page.parent.glob(f"{name}.md")
                        if "*" in name
                        else [(page.parent / f"{name}.md").resolve()]
                    )


def test_every_page_of_the_site_is_listed_in_an_index():
    site = {page for page in PAGES if ROOT / "docs" in page.parents}

    assert sorted(map(name_of, site - {*listed()})) == ["docs/index.md"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_registry_of_packages(page):
    hosts = r"pypi\.org|files\.pythonhosted|repo\d?\.maven|registry\.npmjs|crates\.io|proxy\.golang"

    assert re.findall(hosts, page.read_text(encoding="utf-8")) == []
