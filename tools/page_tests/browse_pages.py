"""Opens pages in a browser and says what is wrong with them; runs in an environment of its own.

`python browse_pages.py JOB` reads a job as JSON and prints what was found as JSON: of each page, by
width and colour scheme, the problems in words. Promise: it changes nothing but the pictures that
the job asks for.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

_MILLISECONDS = 30_000
_HEIGHT = 900
_FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']"
_WIDTH_OF = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
_AXE = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map((each) =>
    `axe ${each.id} (${each.impact}), ${each.nodes.length} times: ${each.nodes[0].html}`);
}"""
_NUMBER_FOCUSABLE = """(selector) => {
  const seen = [...document.querySelectorAll(selector)].filter((each) =>
    each.checkVisibility({ visibilityProperty: true }));
  seen.forEach((each, position) => { each.dataset.tabTest = position; });
  return seen.map((each) => each.outerHTML.slice(0, 90));
}"""
_FOCUSED = """() => {
  const now = document.activeElement;
  const style = getComputedStyle(now);
  const box = now.getBoundingClientRect();
  return {
    number: now.dataset.tabTest ?? null,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
  };
}"""


def main() -> int:
    """Browse the job's pages; the exit code."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium has no sandbox to run a page in.
        browser = playwright.chromium.launch(
            executable_path=job["browser"],
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
            env={**os.environ, **job["environment"]},
            timeout=_MILLISECONDS,
        )
        try:
            answer = {
                "browser": browser.version,
                "found": [*_browse(browser, job)],
                "pictures": [_take(browser, each) for each in job["pictures"]],
            }
        finally:
            browser.close()
    sys.stdout.write(json.dumps(answer))
    return 0


def _browse(browser: Browser, job: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    axe = Path(job["axe"]).read_text(encoding="utf-8")
    for address, (width, scheme) in product(job["pages"], job["views"]):
        page = _opened(browser, width, _HEIGHT, scheme)
        problems: list[str] = []
        _listen(page, problems, own=job["own"])
        page.goto(address)
        problems += _overflow(page)
        page.evaluate(axe)
        problems += page.evaluate(_AXE)
        problems += _reached_by_tab(page)
        problems += _charts(page)
        problems += _search(page)
        page.context.close()
        yield {"page": address, "width": width, "scheme": scheme, "problems": problems}


def _opened(browser: Browser, width: int, height: int, scheme: Any) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(_MILLISECONDS)
    return context.new_page()


def _listen(page: Page, problems: list[str], *, own: str) -> None:
    """Have the problems grow by what the page complains of, and by what it loads from elsewhere."""

    def said(message: ConsoleMessage) -> None:
        if not own or message.type in {"error", "warning"}:
            problems.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        is_own = bool(own) and request.url.startswith((own, "data:"))
        if not is_own and not request.is_navigation_request():
            problems.append(f"loads {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("request", asked)


def _overflow(page: Page) -> Sequence[str]:
    whole, shown = page.evaluate(_WIDTH_OF)
    return [f"{whole} pixels wide, {shown} are shown"] if whole > shown else []


def _reached_by_tab(page: Page) -> Iterator[str]:
    """What the tab key does not get to, and where the focus can't be seen."""
    elements = page.evaluate(_NUMBER_FOCUSABLE, _FOCUSABLE)
    # What scrolls by itself is a stop of the browser's own, between those that are looked for.
    reached = dict(_focused_in_turn(page, len(elements)))
    for number, text in enumerate(elements):
        focus = reached.get(number)
        if focus is None:
            yield f"not reached by the tab key: {text}"
        elif not focus["outlined"]:
            yield f"no outline when focused: {text}"
        elif not focus["inside"]:
            yield f"out of sight when focused: {text}"


def _focused_in_turn(page: Page, wanted: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What has the focus after each press of the tab key, from the top of the page, by number."""
    seen: set[int] = set()
    page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    for _ in range(2 * wanted + 2):
        if len(seen) == wanted:
            return
        page.keyboard.press("Tab")
        focus = page.evaluate(_FOCUSED)
        if focus["number"] is not None:
            seen.add(int(focus["number"]))
            yield int(focus["number"]), focus


def _charts(page: Page) -> Iterator[str]:
    """Each chart reads out another mark when an arrow key is pressed."""
    for chart in page.locator("svg[data-steps]").all():
        reading = chart.locator("xpath=ancestor::figure").locator(".reading")
        chart.focus()
        page.keyboard.press("End")
        last = reading.inner_text()
        page.keyboard.press("Home")
        first = reading.inner_text()
        marks = chart.locator(".point").count()
        if not last or (marks > 1 and first == last):
            yield f"arrow keys read out nothing: {chart.get_attribute('aria-label')}"


def _search(page: Page) -> Iterator[str]:
    """The search shows what it finds, and everything again when it is emptied."""
    box = page.locator("#search")
    if not box.count():
        return
    page.evaluate("document.activeElement?.blur()")
    page.keyboard.press("/")
    rows = page.locator("[data-searched] tbody tr")
    page.keyboard.type("no such contract")
    if rows.locator("visible=true").count():
        yield "the search shows rows that lack its words"
    box.fill("")
    hidden = page.locator("[data-searched] tbody tr[hidden]").count()
    if hidden:
        yield f"the search leaves {hidden} rows hidden when it is emptied"
    first = rows.first.locator("a").first.inner_text()
    box.fill(first.upper())
    if not rows.first.is_visible() or not page.locator("#found").inner_text():
        yield f"the search does not find {first}"


def _take(browser: Browser, picture: Mapping[str, Any]) -> str:
    width, height = picture["size"]
    page = _opened(browser, width, height, picture["scheme"])
    page.goto(picture["page"])
    page.screenshot(path=picture["file"])
    page.context.close()
    return str(picture["file"])


if __name__ == "__main__":
    sys.exit(main())
