"""The colours of the page, light and dark, and its style sheet.

Each colour of text reaches a contrast of 4.5 to 1 on both backgrounds, and nothing is said by
colour alone: there is a shape or a word beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "page": "#f4f6f8",
        "panel": "#ffffff",
        "ink": "#17212b",
        "muted": "#4d5b69",
        "grid": "#d3dae1",
        "good": "#0a6647",
        "bad": "#b0241c",
        "warn": "#7d4e00",
        "accent": "#1c5aa0",
    }
)
DARK: Mapping[str, str] = MappingProxyType(
    {
        "page": "#11161c",
        "panel": "#1a2129",
        "ink": "#e8edf2",
        "muted": "#aab6c2",
        "grid": "#38444f",
        "good": "#5fd0a5",
        "bad": "#ff9c91",
        "warn": "#efb75a",
        "accent": "#8abcf7",
    }
)
TEXT = ("ink", "muted", "good", "bad", "warn", "accent")
"""Colours that text and lines have, on the backgrounds `page` and `panel`."""


def style_sheet() -> str:
    """The style of the whole page; it names no other resource."""
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
        f"{_LAYOUT}{_CHARTS}"
        f"@media print{{:root{{color-scheme:light;{_variables(LIGHT)}}}{_PRINT}}}"
    )


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


_LAYOUT = """
*{box-sizing:border-box}
html{scroll-padding-top:3.5rem}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
body{margin:0;background:var(--page);color:var(--ink);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-100vw;top:0;padding:.6rem 1rem;background:var(--panel);z-index:3}
.skip:focus{left:0}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.6rem}
h1{font-size:1.55rem;line-height:1.25;margin:.1rem 0 .4rem;overflow-wrap:break-word}
h2{font-size:1.12rem;margin:0 0 .2rem}
h3{font-size:.95rem;margin:1.1rem 0 .3rem}
p{margin:.3rem 0 .7rem;max-width:62rem}
code{font:.92em ui-monospace,"DejaVu Sans Mono",Consolas,monospace;overflow-wrap:anywhere}
td code{white-space:nowrap}
.muted,figcaption,caption{color:var(--muted)}
.eyebrow{color:var(--muted);font-weight:600;letter-spacing:.02em;margin:0}
nav{position:sticky;top:0;z-index:2;background:var(--page);border-bottom:1px solid var(--grid)}
nav ul{max-width:76rem;margin:0 auto;padding:.55rem 1.25rem;list-style:none;display:flex;
 flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.9rem}
@media (max-width:50rem){nav{position:static}html{scroll-padding-top:0}}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{background:var(--panel);border:1px solid var(--grid);border-radius:10px;
 padding:1.1rem 1.25rem;margin:1.1rem 0;min-width:0}
.verdict{border-left:6px solid currentColor;padding:.75rem 1rem;margin:.9rem 0;
 background:var(--panel);border-radius:6px}
.verdict strong{font-size:1.15rem}
.verdict p,.verdict li{color:var(--ink)}
.verdict ul{margin:.3rem 0;padding-left:1.2rem}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.8rem;margin:0}
.tiles div{background:var(--panel);border:1px solid var(--grid);border-radius:10px;
 padding:.7rem .9rem}
.tiles dt{color:var(--muted);font-size:.85rem}
.tiles dd{margin:0;font-size:1.45rem;font-weight:650;font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:.82rem;font-weight:400;color:var(--muted)}
.search{margin:1rem 0 0;display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:center}
.search[hidden]{display:none}
.search label{font-weight:600}
.search input{flex:1 1 16rem;max-width:30rem;min-width:0;padding:.5rem .7rem;font:inherit;
 color:var(--ink);background:var(--panel);border:1px solid var(--muted);border-radius:6px}
.search output{flex-basis:100%;min-height:1.5em;color:var(--muted);font-size:.89rem}
.words dd{font-size:1.15rem}
.commands{margin:0}
.commands div{display:flex;flex-wrap:wrap;gap:0 .9rem;padding:.25rem 0}
.commands dt{font-weight:600}.commands dd{margin:0;color:var(--muted)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:0 1.1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.89rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.2rem 0 .4rem}
th,td{text-align:left;padding:.36rem .7rem .36rem 0;border-bottom:1px solid var(--grid);
 vertical-align:top}
thead th{color:var(--muted);font-weight:600;white-space:nowrap}
tbody th{font-weight:600}
td svg{max-width:none}
th small,td small{display:block;font-weight:400;color:var(--muted)}
tr:target,tr:has(:target){background:var(--page)}
.number{text-align:right;white-space:nowrap}
.nowrap{white-space:nowrap}
#checks td:last-child{min-width:9rem}
details{margin:.4rem 0 0;font-size:.93rem}
summary{cursor:pointer;color:var(--accent);width:max-content;max-width:100%}
footer{color:var(--muted);font-size:.85rem;padding-bottom:2rem}
"""
_CHARTS = """
figure{margin:.6rem 0 0}
.chart{overflow-x:auto;padding:4px}
.chart svg{width:100%;min-width:56rem}
figcaption{font-size:.88rem}
svg{display:block;max-width:100%;height:auto}
svg text{fill:var(--muted);font-size:12px;font-family:inherit}
svg .strong{fill:var(--ink);font-weight:600}
.grid{stroke:var(--grid);stroke-width:1}
.limit{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:6 4}
svg .limit-text{fill:var(--bad)}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}
.area{fill:var(--accent);opacity:.1}
.dot{fill:var(--panel);stroke:var(--accent);stroke-width:2}
.closed{fill:var(--bad);stroke:var(--panel);stroke-width:1.5}
.none{fill:var(--panel);stroke:var(--muted);stroke-width:1.5;stroke-dasharray:2 2}
.point.now .dot,.point.now .none{stroke:var(--ink);fill:var(--ink);stroke-dasharray:none}
.point.now .closed,.point.now .cell,.point.now .part{stroke:var(--ink);stroke-width:2}
.cell{fill:var(--bad);stroke:var(--panel);stroke-width:1}
.cell.zero{fill:var(--grid)}
.cell.absent{fill:transparent;stroke:none}
.cell.skipped{fill:var(--panel);stroke:var(--muted);stroke-dasharray:2 2}
.track{fill:var(--grid)}.part{fill:var(--accent)}
.part.held{fill:var(--bad)}.part.released{fill:var(--good)}.part.discarded{fill:var(--muted)}
.part.mended{fill:var(--accent)}.part.gone{fill:var(--warn)}
.part.refuse{fill:var(--bad)}.part.warn{fill:var(--warn)}
.part.opened{fill:var(--accent)}.part.closing{fill:var(--warn)}.part.plain{fill:var(--accent)}
.zero-line{stroke:var(--muted);stroke-width:1}
.flow{fill:none;stroke:var(--muted);stroke-width:1.3;opacity:.75}
.flow.protected{stroke:var(--good);opacity:1}
.flow-box{fill:var(--panel);stroke:var(--muted);stroke-width:1}
.flow-box.protected{stroke:var(--good);stroke-width:2}
.flow-box.filled{stroke-dasharray:4 3}
.point.now .flow{stroke:var(--accent);stroke-width:3;opacity:1}
.point.now .flow-box{stroke:var(--accent);stroke-width:3}
.reading{display:block;min-height:1.5em;font-size:.89rem;color:var(--ink);margin:.2rem 0}
.key{display:inline-flex;align-items:center;gap:.35rem;margin-right:1rem;font-size:.85rem;
 color:var(--muted)}
"""
_PRINT = """
body{background:#fff;font-size:11px}
@page{size:A4 landscape;margin:12mm}
header,main,footer{max-width:none;padding:0}
nav,.skip,.reading,details{display:none}
.scroll,.chart{overflow:visible}
.chart svg{min-width:0;max-height:60mm}
table{font-size:9.5px}
th,td{padding:.2rem .6rem .2rem 0}
.tiles{grid-template-columns:repeat(5,1fr)}
section{break-inside:avoid-page;border-color:#bbb;box-shadow:none}
section.long{break-inside:auto}
tr,figure{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""
