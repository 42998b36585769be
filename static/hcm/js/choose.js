// Choosing rows of a form: all at once, and how many there are.
"use strict";
// A live refresh makes the form anew, with what was chosen.
const choose = () => document.querySelectorAll("[data-choose]").forEach((form) => {
  const boxes = [...form.querySelectorAll('input[name="ab"]:not(:disabled)')];
  const all = form.querySelector("[data-all]");
  const said = form.querySelector("[data-chosen]");
  const count = () => {
    const n = boxes.filter((box) => box.checked).length;
    if (said) said.textContent = String(n);
    if (all) {
      all.checked = n > 0 && n === boxes.length;
      all.indeterminate = n > 0 && n < boxes.length;
    }
  };
  all?.addEventListener("change", () => {
    boxes.forEach((box) => { box.checked = all.checked; });
    count();
  });
  form.addEventListener("change", count);
  count();
});
choose();
document.addEventListener("partchange", choose);
