// The keys of the review desk. They move, open and mark; none of them sends or answers anything.
const links = [...document.querySelectorAll("[data-desk] tbody th a")];
const sections = [...document.querySelectorAll("[data-answer]")];
const show = (field) => {
  if (!field) return;
  for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  field.focus();
  field.scrollIntoView({ block: "center" });
};
const step = (by) => {
  if (!links.length) return document.querySelector(by > 0 ? "[data-next]" : "[data-previous]")?.click();
  const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  links[Math.min(links.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
};
// Pressed again, the same key goes to the next item of the request.
const answer = (verdict, details) => {
  if (!sections.length) return show(document.querySelector(`#bulk [value=${details.bulk}]`));
  const at = sections.findIndex((section) => section.contains(document.activeElement));
  const here = sections[at]?.querySelector(`input[value=${verdict}]`);
  const section = here && here !== document.activeElement ? sections[at] : sections[(at + 1) % sections.length];
  section.querySelector(details.part).open = true;
  show(section.querySelector(`input[value=${verdict}]`));
};
const keys = new Map(
  Object.entries({
    j: () => step(1),
    k: () => step(-1),
    a: () => answer("approve", { part: "[data-terms]", bulk: "grant" }),
    d: () => answer("decline", { part: "[data-reason]", bulk: "decline" }),
    r: () => show(document.querySelector("[data-return] select, #bulk [value=return]")),
    x: () => document.activeElement.closest("tr")?.querySelector("input[name=request]")?.click(),
    "/": () => show(document.getElementById("q")),
    "?": () => document.getElementById("keys").showModal(),
  }),
);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, dialog, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys.has(event.key)) return;
  event.preventDefault();
  keys.get(event.key)();
});
