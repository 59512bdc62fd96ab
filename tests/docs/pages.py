"""The pages of the documentation as CommonMark reads them: links, headings, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "findings").rglob("*.md"),
        *(ROOT / "demo").rglob("*.md"),
        *(ROOT / "tests").rglob("*.md"),
    }
)


@dataclass(frozen=True)
class Code:
    """A fenced block, or a span within a text."""

    language: str
    text: str
    line: int


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def tokens_of(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")))


def fences(page: Path) -> Iterator[Code]:
    for token in tokens_of(page):
        if token.type == "fence":
            yield Code(token.info.split()[0] if token.info else "", token.content, token.map[0] + 1)


def spans(page: Path) -> Iterator[Code]:
    for token in tokens_of(page):
        for child in token.children or ():
            if child.type == "code_inline":
                yield Code("", child.content, token.map[0] + 1)


def links(page: Path) -> Iterator[str]:
    """Where the page's links, pictures and HTML point to."""
    for token in tokens_of(page):
        if token.type == "html_block":
            yield from _links_of_html(token.content)
        for child in token.children or ():
            if child.type == "link_open":
                yield str(child.attrs["href"])
            elif child.type == "image":
                yield str(child.attrs["src"])
            elif child.type == "html_inline":
                yield from _links_of_html(child.content)


def _links_of_html(text: str) -> Iterator[str]:
    found: list[str] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda _, attributes: found.extend(  # type: ignore[method-assign]
        value for name, value in attributes if name in ("href", "src", "srcset") and value
    )
    reader.feed(text)
    yield from found


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names under which headings can be linked to, as GitHub and the site make them."""
    seen: dict[str, int] = {}
    found = set()
    tokens = tokens_of(page)
    for before, token in pairwise(tokens):
        if before.type != "heading_open":
            continue
        text = "".join(child.content for child in token.children or ())
        name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        count = seen[name] = seen.get(name, -1) + 1
        found.add(f"{name}-{count}" if count else name)
    return frozenset(found)
