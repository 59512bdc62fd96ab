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
html_extra_path = ["quality-report-dark.png", "quality-report-light.png"]
html_theme_options = {
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


def setup(app: Sphinx) -> None:
    """Called by Sphinx. Files that pages link to are collected at 500, so this comes before."""
    app.connect("doctree-read", _leave_the_site, priority=400)
