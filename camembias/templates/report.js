"use strict";
// Sorts and filters the verdict table, and opens examples. The page is whole without it.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const table = document.getElementById("verdict-table");
  if (!table) return;

  const bodies = [...table.tBodies];
  const headings = [...table.tHead.rows[0].cells];
  const filters = [...document.querySelectorAll("[data-filter]")];
  const status = document.getElementById("shown");
  const all = document.getElementById("all");
  const collator = new Intl.Collator(root.lang, { numeric: true, sensitivity: "base" });
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const folded = new Map(bodies.map((body) => [body, fold(body.dataset.word)]));

  const keyOf = (body, column) => {
    const cell = body.rows[0].cells[column];
    if (column === 0) return body.dataset.word;
    if (cell.dataset.key === undefined) return cell.textContent;
    return cell.dataset.key === "" ? null : Number(cell.dataset.key); // null: not known, last in either direction
  };

  const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));

  const FIRST = 200; // rows laid out before somebody asks for all: the rest costs most of the time of a sort
  let order = bodies;
  let most = FIRST;

  const show = () => {
    const wanted = filters.filter((one) => one.value !== "").map((one) => [one.dataset.filter, one.value]);
    const fits = (body) => wanted.every(([name, value]) =>
      name === "word" ? folded.get(body).includes(fold(value)) : body.dataset[name] === value);
    let fitting = 0;
    for (const body of order) body.hidden = !fits(body) || ++fitting > most;
    const numbers = { shown: Math.min(fitting, most), fitting, all: bodies.length };
    status.textContent = status.dataset.template.replace(/{(\w+)}/g, (_, name) => numbers[name]);
    all.disabled = fitting <= most;
  };

  const arrange = (bodies) => {
    order = bodies;
    table.append(...bodies);
    show();
  };

  const sort = (heading) => {
    const column = headings.indexOf(heading);
    const direction = heading.ariaSort === "ascending" ? "descending" : "ascending";
    for (const one of headings) one.ariaSort = one === heading ? direction : "none";
    const keyed = bodies.map((body) => [keyOf(body, column), body]);
    const sign = direction === "ascending" ? 1 : -1;
    keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
    arrange(keyed.map(([, body]) => body));
  };

  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.parentElement.scope === "col") return sort(button.parentElement);
    const open = button.closest("tbody").classList.toggle("open");
    button.setAttribute("aria-expanded", open);
  });
  for (const one of filters) one.addEventListener("input", show);
  all.addEventListener("click", () => {
    most = Infinity;
    show();
  });
  document.getElementById("reset").addEventListener("click", () => {
    for (const one of filters) one.value = "";
    for (const one of headings) one.ariaSort = "none";
    most = FIRST;
    arrange(bodies);
  });
  show(); // a browser may have kept what was typed before a reload
})();
