"use strict";
// A citation or a bar opens the observation it stands for, shows it, and marks it until another one is chosen.
for (const opener of document.querySelectorAll("[data-opens]")) {
  opener.addEventListener("click", () => {
    const look = document.getElementById(opener.dataset.opens);
    if (!look) return;
    document.querySelectorAll(".look.selected").forEach((other) => other.classList.remove("selected"));
    look.open = true;
    look.classList.add("selected");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    look.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "center" });
    look.querySelector("summary").focus({ preventScroll: true });
  });
}
