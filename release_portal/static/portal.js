// What the pages need beyond HTML and htmx. Every page works without this file.

// A form marked data-once is sent once; coming Back makes it ready again. Not for forms that answer with a download.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("once" in form.dataset)) return;
  if ("sent" in form.dataset) return event.preventDefault();
  form.dataset.sent = "";
  // After this turn, so that the pressed button's name and value are still sent.
  setTimeout(() => buttonsOf(form).forEach((button) => (button.disabled = true)));
});
const buttonsOf = (form) => [...form.elements].filter((element) => element.type === "submit");
const ready = (form) => {
  delete form.dataset.sent;
  buttonsOf(form).forEach((button) => (button.disabled = false));
};
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(ready));
// A draft is no longer saved once its form is on its way.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.querySelector?.("form[data-sent]")) event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest?.("form[data-sent]");
  if (form) ready(form);
});

// The error summary takes the focus, so that it is read first.
const focusSummary = (root) => root.querySelector?.(".error-summary")?.focus();
document.addEventListener("DOMContentLoaded", () => focusSummary(document));
document.addEventListener("htmx:afterSwap", (event) => focusSummary(event.target));

// A menu closes on Escape and on a click elsewhere.
const closeMenus = (except) =>
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (menu !== except) menu.open = false;
  });
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelector("details.menu[open] summary")?.focus();
  closeMenus();
});

// When the server does not answer, the page says that it may be old, and takes that back when it does.
const silent = (event) => {
  const messages = document.getElementById("messages");
  if (!messages || document.getElementById("silent")) return;
  const notice = Object.assign(document.createElement("p"), { id: "silent", className: "notice notice-warning" });
  notice.textContent = "The portal did not answer just now. What this page shows may be old; what you typed is still here.";
  messages.append(notice);
};
document.addEventListener("htmx:sendError", silent);
document.addEventListener("htmx:timeout", silent);
document.addEventListener("htmx:responseError", silent);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.getElementById("silent")?.remove();
});
