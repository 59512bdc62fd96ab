"""How the site of these pages is built: `make docs`.

Sphinx with MyST: it reads pages as they lie in the repository, a link that leads nowhere stops the
build, and what a page links to outside of this folder comes along as a file. The theme brings its
own fonts: a page asks no host for anything.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[1]
with (_ROOT / "pyproject.toml").open("rb") as _file:
    _PROJECT = tomllib.load(_file)["project"]

project = "Strandline"
release = version = _PROJECT["version"]
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["requirements.*"]
# A page may be listed before it is written; one that is written and listed nowhere stops the build.
suppress_warnings = ["toc.not_readable"]

# As GitHub names headings, so that a link holds in both.
myst_heading_anchors = 4
myst_enable_extensions = ["strikethrough"]

html_theme = "pydata_sphinx_theme"
html_title = f"Strandline {version}"
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
# What pages show by HTML of their own, which Sphinx does not look into.
html_extra_path = [
    f"{page}-{scheme}.png"
    for page in ("quality-report", "catalogue")
    for scheme in ("dark", "light")
]
html_static_path = ["_static"]
html_css_files = ["focus.css"]
html_context = {"default_mode": "auto"}
html_theme_options = {
    # The one with a field shows other words than it is read out by.
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "show_nav_level": 2,
    "footer_start": [],
    "footer_center": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def _leave_the_site(app: Sphinx, doctree: nodes.document) -> None:
    """What is no page of the site: a page elsewhere in the project is a file, a folder a name."""
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for link in [*doctree.findall(addnodes.pending_xref)]:
        target = link["reftarget"]
        page = Path(app.srcdir, f"{target}.md")
        if (folder / target).is_dir():
            link.replace_self(link.children)
        elif link["refdomain"] == "doc" and not page.resolve().is_relative_to(app.srcdir):
            place = os.path.relpath(page, folder)
            about = {"refdoc": app.env.docname, "reftarget": place}
            link.replace_self(addnodes.download_reference("", "", *link.children, **about))


def _name_headings(_app: Sphinx, doctree: nodes.document) -> None:
    """Each heading of a table has words, if only for who has the page read out."""
    for heading in [*doctree.findall(nodes.thead)]:
        for entry in heading.findall(nodes.entry):
            if not entry.astext().strip():
                words = nodes.inline("", "what it is about", classes=["visually-hidden"])
                entry.clear()
                entry.append(nodes.paragraph("", "", words))


def _name_signs(app: Sphinx, error: Exception | None) -> None:
    """The theme's signs that unfold a part of the navigation have no name to be read out."""
    if error is None and app.builder.name == "html":
        sign = '<summary><span class="toctree-toggle"'
        named = sign.replace("<summary>", '<summary aria-label="its pages">')
        for page in Path(app.outdir).rglob("*.html"):
            page.write_text(page.read_text("utf-8").replace(sign, named), "utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx. Files that pages link to are collected at 500, so this comes before."""
    app.connect("doctree-read", _leave_the_site, priority=400)
    app.connect("doctree-read", _name_headings)
    app.connect("build-finished", _name_signs)
