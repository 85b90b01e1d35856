// The grid: only the cells in sight exist, whatever the number of pictures; they are used again as one scrolls.

import { detailsOf, need, sentence } from "./details.js";
import { byId, element } from "./dom.js";
import { ACCEPTED, PHOTOGRAPH, REJECTED, labelOf, rowAt, state, verdictOf } from "./state.js";

const CELL_PX = 132; // at least, with its gap
const BEYOND = 2; // lines of cells above and below what is in sight
const RUSH_MS = 80; // after so long without scrolling fast, thumbnails are asked for
const cells = new Map(); // position -> cell
const spare = [];
const grid = byId("grid");
const sheet = byId("sheet");
let size = { columns: 1, cell: CELL_PX };
let frame = 0;
let lastTop = 0;
let rushing = 0;

export const columns = () => size.columns;
export const linesInSight = () => Math.max(1, Math.floor(grid.clientHeight / size.cell));

/** Lay everything out anew: another view, or another width. */
export function layOut() {
  const width = grid.clientWidth;
  const wanted = width < 480 ? 104 : CELL_PX;
  const count = Math.max(2, Math.floor(width / wanted));
  size = { columns: count, cell: Math.floor(width / count) };
  sheet.style.height = `${Math.ceil(state.order.length / count) * size.cell}px`;
  for (const position of [...cells.keys()]) drop(position);
  draw();
}

export function draw() {
  if (!frame) frame = requestAnimationFrame(drawNow);
}

function drawNow() {
  frame = 0;
  const top = grid.scrollTop;
  const first = Math.max(0, (Math.floor(top / size.cell) - BEYOND) * size.columns);
  const last = Math.min(state.order.length, (Math.ceil((top + grid.clientHeight) / size.cell) + BEYOND) * size.columns);
  for (const position of [...cells.keys()]) if (position < first || position >= last) drop(position);
  const rush = Math.abs(top - lastTop) > grid.clientHeight;
  lastTop = top;
  if (rush) {
    clearTimeout(rushing);
    rushing = setTimeout(() => { rushing = 0; draw(); }, RUSH_MS);
  }
  const rows = [];
  for (let position = first; position < last; position += 1) {
    const cell = cells.get(position) ?? take(position);
    fill(cell, position);
    if (!rushing) {
      const row = rowAt(position);
      const address = `/thumbnail/${state.subject.generation}/${row}`;
      if (cell.image.getAttribute("src") !== address) cell.image.src = address;
      rows.push(row);
    }
  }
  need(rows);
  if (state.order.length) grid.setAttribute("aria-activedescendant", `cell-${state.focus}`);
  else grid.removeAttribute("aria-activedescendant");
}

function take(position) {
  const cell = spare.pop() ?? make();
  const left = (position % size.columns) * size.cell;
  const top = Math.floor(position / size.columns) * size.cell;
  cell.root.style.transform = `translate(${left}px, ${top}px)`;
  cell.root.style.width = cell.root.style.height = `${size.cell}px`;
  cell.root.id = `cell-${position}`;
  cell.root.dataset.position = position;
  sheet.append(cell.root);
  cells.set(position, cell);
  return cell;
}

function make() {
  const image = element("img", { alt: "", draggable: "false", decoding: "async" });
  image.addEventListener("load", () => image.classList.remove("broken"));
  image.addEventListener("error", () => image.classList.add("broken"));
  const mark = element("span", { class: "mark", "aria-hidden": "true" });
  const name = element("span", { class: "name", "aria-hidden": "true" });
  return { root: element("div", { role: "option", class: "cell" }, image, mark, name), image, mark, name };
}

function drop(position) {
  const cell = cells.get(position);
  cells.delete(position);
  cell.root.remove();
  cell.image.removeAttribute("src");
  spare.push(cell);
}

const MARKS = { [ACCEPTED]: ["accepted", "✓"], [REJECTED]: ["rejected", "✕"], [PHOTOGRAPH]: ["photograph", "◎"] };

function fill(cell, position) {
  const row = rowAt(position);
  const details = detailsOf(row);
  const label = labelOf(row);
  const [said, sign] = MARKS[verdictOf(row)] ?? ["undecided", ""];
  const selected = state.selected.has(row);
  cell.root.className = `cell ${label ? "relabelled" : said}${selected ? " selected" : ""}${position === state.focus ? " focus" : ""}`;
  cell.root.setAttribute("aria-selected", String(selected));
  cell.root.setAttribute("aria-posinset", position + 1);
  cell.root.setAttribute("aria-setsize", state.order.length);
  cell.mark.textContent = label ? "↪" : sign;
  const given = label ? state.subject.labels[label - 1] : "";
  cell.name.textContent = given || (details ? details.label : "");
  cell.root.setAttribute("aria-label", `${given ? `given the label ${given}` : said}${details ? `: ${sentence(details)}` : ""}`);
}

/** Bring a position into sight. */
export function show(position) {
  const top = Math.floor(position / size.columns) * size.cell;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + size.cell > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + size.cell - grid.clientHeight;
  draw();
}

/** The position under an event; -1: none. */
export function positionOf(event) {
  const cell = event.target.closest(".cell");
  return cell ? Number(cell.dataset.position) : -1;
}

grid.addEventListener("scroll", draw, { passive: true });
new ResizeObserver(() => { if (state.subject) layOut(); }).observe(grid);
