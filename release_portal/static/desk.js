// The keys of the review desk. They move and open; none of them sends anything.
const links = [...document.querySelectorAll("[data-desk] tbody th a")];
const go = (selector) => document.querySelector(selector)?.click();
const enter = (selector) => {
  const field = document.querySelector(selector);
  if (!field) return;
  if (field.type === "radio") field.checked = true;
  field.focus();
  field.scrollIntoView({ block: "center" });
};
const step = (by) => {
  if (!links.length) return go(by > 0 ? "[data-next]" : "[data-previous]");
  const at = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
};
const keys = {
  j: () => step(1),
  k: () => step(-1),
  a: () => enter("[data-answer] input[value=approve]"),
  d: () => enter("[data-answer] input[value=decline]"),
  r: () => enter("[data-return] select"),
  "/": () => enter("#q"),
  "?": () => document.getElementById("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
