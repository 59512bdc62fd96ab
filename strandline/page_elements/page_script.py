"""The script of a page with charts: it reads out the points of a chart, by pointer or arrow keys.

Without it every number is still there, in the table below its chart.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

SCRIPT = """
for (const chart of document.querySelectorAll("svg[data-steps]")) {
  const points = [...chart.querySelectorAll(".point")];
  const reading = chart.closest("figure").querySelector(".reading");
  let now = points.length - 1;
  reading.textContent = "Point at a mark, or step through the marks with the arrow keys.";
  const show = (next) => {
    points[now]?.classList.remove("now");
    now = Math.max(0, Math.min(points.length - 1, next));
    points[now]?.classList.add("now");
    if (points[now]) reading.textContent = points[now].querySelector("title").textContent;
  };
  const step = Number(chart.dataset.steps);
  const keys = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -step, ArrowDown: step };
  chart.addEventListener("keydown", (event) => {
    if (event.key in keys) show(now + keys[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(points.length - 1);
    else return;
    event.preventDefault();
  });
  points.forEach((point, position) =>
    point.addEventListener("pointerenter", () => show(position)));
  chart.addEventListener("focus", () => show(now));
}
"""


def security_policy(script: str) -> str:
    """Lets the page run that script and its own style, and load nothing at all."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
