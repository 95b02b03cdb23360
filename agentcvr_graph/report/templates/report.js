"use strict";
// A click on a citation or a bar opens its observation, selects it and scrolls to the cited part.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function choose(opener) {
  const observation = document.getElementById(opener.dataset.opens);
  if (!observation) return;
  for (const selected of all(".selected")) selected.classList.remove("selected");
  observation.open = true;
  const number = opener.dataset.citation;
  const parts = number ? all(`[data-cited~="${number}"]`, observation) : [];
  const places = all(`[data-opens="${observation.id}"]:not(.chip)`);
  for (const chosen of [observation, opener, ...parts, ...places]) chosen.classList.add("selected");
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
  // An observation may be taller than the viewport: scroll to the cited frames or statements, else to its heading.
  const target = parts[0] ?? observation.querySelector("summary");
  target.scrollIntoView({ behavior: reducedMotion ? "auto" : "smooth", block: "center" });
  observation.querySelector("summary").focus({ preventScroll: true });
}

for (const opener of all("[data-opens]")) opener.addEventListener("click", () => choose(opener));

// Paper cannot be clicked: open all observations for printing.
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const observation of closed) observation.open = true;
});
addEventListener("afterprint", () => {
  for (const observation of closed) observation.open = false;
});
