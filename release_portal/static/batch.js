// Choosing every row of a page at once.
const all = document.querySelector("[data-choose-all]");
const boxes = [...document.querySelectorAll("input[form=bulk]")];
all.hidden = boxes.length < 2;
all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.control.checked)));
