"""A whole page: its head with the security policy, the body, and its one script."""

from __future__ import annotations

from collections.abc import Iterable

from strandline.page_elements.html_elements import Html, element
from strandline.page_elements.page_script import security_policy
from strandline.page_elements.page_style import style_sheet


def page_document(title: str, *body: Html, script: str) -> str:
    """The page as HTML. It loads nothing, and the policy lets it run that script alone."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=security_policy(script)),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style_sheet())),
    )
    whole = element("body", *body, element("script", Html(script)))
    return f"<!DOCTYPE html>\n{element('html', head, whole, lang='en')}\n"


def breakable(name: str) -> Iterable[str]:
    """The name of a table; a narrow screen may break it after a dot or an underscore."""
    for position, part in enumerate(name.split(".")):
        if position:
            yield from (".", element("wbr"))
        for number, word in enumerate(part.split("_")):
            if number:
                yield from ("_", element("wbr"))
            yield word


def skip_link(text: str, target: str) -> Html:
    """The first link of a page, which keyboards reach: past everything before `target`."""
    return element("a", text, href=f"#{target}", class_="skip")
