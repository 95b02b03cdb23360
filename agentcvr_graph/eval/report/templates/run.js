"use strict";
const rows = JSON.parse(document.getElementById("rows").textContent);
const filters = ["method", "task", "outcome"].map((name) => document.getElementById(`by-${name}`));
const search = document.getElementById("search");
const body = document.querySelector("#answers tbody");
const more = document.getElementById("more");
const PAGE = 100;
let shown = PAGE;

function matching() {
  const words = search.value.trim().toLowerCase();
  return rows.filter((row) =>
    filters.every((filter) => !filter.value || row[filter.name] === filter.value) &&
    (!words || [row.id, row.value, row.key, row.detail, ...row.notes].some((text) => text.toLowerCase().includes(words))));
}

function cell(line, text, name) {
  const made = line.insertCell();
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function draw(row) {
  const line = body.insertRow();
  const first = cell(line, row.page ? "" : row.id);
  if (row.page) {
    const link = document.createElement("a");
    link.href = row.page.split("/").map(encodeURIComponent).join("/");
    link.textContent = row.id;
    first.append(link);
  }
  cell(line, row.task);
  cell(line, row.method);
  const outcome = cell(line, "");
  const dot = document.createElement("i");
  dot.className = `dot o-${row.outcome.replaceAll(" ", "-")}`;
  outcome.append(dot, row.outcome);
  cell(line, row.score.toFixed(2));
  cell(line, row.confidence);
  const value = cell(line, row.value, "words");
  for (const said of [row.detail, ...row.notes].filter(Boolean))
    value.append(Object.assign(document.createElement("small"), { textContent: said }));
  cell(line, row.key, "words");
  for (const name of ["turns", "frames", "tokens", "wall_s"]) cell(line, row[name].toLocaleString("en"));
}

function show() {
  const found = matching();
  body.replaceChildren();
  found.slice(0, shown).forEach(draw);
  const points = found.reduce((sum, row) => sum + row.score, 0);
  document.getElementById("count").textContent =
    `${found.length} of ${rows.length} answers` + (found.length ? `, mean score ${(points / found.length).toFixed(2)}` : "");
  more.hidden = found.length <= shown;
}

for (const filter of filters) filter.addEventListener("change", () => { shown = PAGE; show(); });
search.addEventListener("input", () => { shown = PAGE; show(); });
more.addEventListener("click", () => { shown += 5 * PAGE; show(); });
show();
