"use strict";
// Without this the page works too: a cell leads to its reasons further down. With it they are shown beside the map.
(function () {
  const panel = document.getElementById("panel");
  const title = panel.querySelector("h2");
  const body = panel.querySelector("div");
  let chosen = null;

  function heads(cell) {
    const row = cell.parentElement;
    const columns = cell.closest("table").tHead.rows[0].cells;
    return [row.cells[0], columns[cell.cellIndex]];
  }
  function light(cell, on) {
    heads(cell).forEach((head) => head.classList.toggle("lit", on));
  }
  function close() {
    if (chosen) {
      chosen.classList.remove("chosen");
      light(chosen, false);
    }
    chosen = null;
    panel.hidden = true;
  }
  function show(cell, link) {
    const group = document.querySelector(link.getAttribute("href"));
    if (!group) return;
    close();
    chosen = cell;
    cell.classList.add("chosen");
    light(cell, true);
    const [from, to] = heads(cell).map((head) => head.textContent.trim());
    title.textContent = from + " \u2192 " + to;
    body.replaceChildren();
    group.querySelectorAll("li > a").forEach((each) => {
      const finding = document.querySelector(each.getAttribute("href"));
      if (!finding) return;
      const copy = finding.cloneNode(true);
      copy.removeAttribute("id");
      body.append(copy);
    });
    panel.hidden = false;
  }
  document.querySelectorAll("table.map").forEach((map) => {
    map.addEventListener("click", (event) => {
      const link = event.target.closest("td a");
      if (!link) return;
      event.preventDefault();
      show(link.parentElement, link);
    });
    map.addEventListener("mouseover", (event) => {
      const cell = event.target.closest("td");
      if (cell && !chosen) light(cell, true);
    });
    map.addEventListener("mouseout", (event) => {
      const cell = event.target.closest("td");
      if (cell && cell !== chosen) light(cell, false);
      if (chosen) light(chosen, true);
    });
    map.addEventListener("focusin", (event) => {
      const link = event.target.closest("td a");
      if (link && link.matches(":focus-visible")) show(link.parentElement, link);
    });
  });
  panel.querySelector("button").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
})();
