"""The script of the index: it shows the rows of its tables that have all words of the search.

Without it there is no search, and all rows are shown.
"""

from __future__ import annotations

SEARCH = """
const box = document.querySelector("#search");
const told = document.querySelector("#found");
const groups = [...document.querySelectorAll("[data-searched]")].map((group) => ({
  group,
  rows: [...group.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]),
}));
box.closest(".search").hidden = false;
const search = () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const counts = groups.map(({ group, rows }) => {
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    const details = group.querySelector("details");
    if (details) details.open = words.length > 0 && shown > 0;
    return `${shown} of ${rows.length} ${group.dataset.searched}`;
  });
  told.textContent = words.length ? counts.join(", ") : "";
};
box.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === box) return;
  event.preventDefault();
  box.focus();
});
search();
"""
