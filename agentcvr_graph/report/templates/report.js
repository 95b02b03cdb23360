"use strict";
// A citation or a bar opens the observation it stands for, marks it, and brings the cited part of it into sight.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function choose(opener) {
  const look = document.getElementById(opener.dataset.opens);
  if (!look) return;
  for (const selected of all(".selected")) selected.classList.remove("selected");
  look.open = true;
  const number = opener.dataset.citation;
  const parts = number ? all(`[data-cited~="${number}"]`, look) : [];
  const places = all(`[data-opens="${look.id}"]:not(.chip)`);
  for (const chosen of [look, opener, ...parts, ...places]) chosen.classList.add("selected");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  // A long observation may be taller than the window: the cited frames or words come first, else its heading.
  const target = parts[0] ?? look.querySelector("summary");
  target.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "center" });
  look.querySelector("summary").focus({ preventScroll: true });
}

for (const opener of all("[data-opens]")) opener.addEventListener("click", () => choose(opener));

// On paper nothing can be opened, so all of it is.
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const look of closed) look.open = true;
});
addEventListener("afterprint", () => {
  for (const look of closed) look.open = false;
});
