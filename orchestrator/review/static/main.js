// The page: signs in, shows a view, and turns keys and clicks into moves and decisions.

import { showBlind } from "./blind.js";
import { detailsOf, forget, need, sentence, whenKnown } from "./details.js";
import { showHelp, showStatistics, signIn } from "./dialogs.js";
import { byId, element, percent, pictures } from "./dom.js";
import * as filters from "./filters.js";
import * as grid from "./grid.js";
import { actionOf, keyOf } from "./keys.js";
import * as large from "./large.js";
import { inside, lassoOf } from "./lasso.js";
import { mapPoints, showMap } from "./map.js";
import * as outbox from "./outbox.js";
import { SCORES, scored, showScores } from "./scores.js";
import { batchId, get, getNumbers, post } from "./server.js";
import {
  ACCEPTED, PHOTOGRAPH, REJECTED, UNDECIDED, apply, decidedInView, focused, know, photographsInView, rowAt, state, targets, undecidedFrom, verdictOf,
} from "./state.js";

const ALIKE = 48; // pictures that are shown as the most alike
const list = byId("grid");
let viewNumber = 0; // of the view that was asked for last

start();

async function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search); // it is in no history, and no link
  try {
    state.subject = token ? null : await get("/api/subject");
  } catch (error) {
    if (error.status !== 401) return notice(error.message);
  }
  try {
    if (!state.subject) {
      if (!token) return notice("Open the address that `defectory review` printed: it brings the token that opens this page.");
      await signIn(token);
      state.subject = await get("/api/subject");
    }
    document.title = `Review of ${state.subject.name}`;
    byId("title").textContent = state.subject.name;
    filters.build();
    filters.whenFiltered(loadView);
    whenKnown(() => { grid.draw(); describe(); large.render(); });
    outbox.whenChanged(told);
    know(await getNumbers("/api/mine", Uint16Array));
    verdictButtons();
    await loadView();
    list.focus();
    document.body.dataset.ready = "true";
  } catch (error) {
    notice(error.message);
  }
}

async function loadView() {
  viewNumber += 1;
  const number = viewNumber; // an answer to a view that was left meanwhile is none to this one
  await outbox.sent();
  forget();
  const row = filters.alikeOf();
  const polygon = lassoOf(new URLSearchParams(location.search));
  try {
    if (row === null) {
      const order = await viewOf(filters.query(), polygon, number);
      if (number !== viewNumber) return;
      state.order = order;
      notice(said(polygon));
    } else {
      const alike = await get(`/api/alike/${row}?count=${ALIKE}`);
      if (number !== viewNumber) return;
      state.order = Uint32Array.from(alike.missing ? [row] : alike.rows);
      notice(alike.missing ? `Nothing to compare by: ${alike.missing}.` : `The ${pictures(alike.rows.length)} most like one of them, the nearest first; all are selected. Escape goes back.`);
    }
  } catch (error) {
    if (number !== viewNumber) return;
    state.order = new Uint32Array();
    notice(error.message);
  }
  state.narrowed = row !== null || polygon !== null;
  state.selected = new Set(state.narrowed ? state.order.filter((one) => verdictOf(one) !== PHOTOGRAPH) : []);
  state.anchor = 0;
  state.focus = state.narrowed ? 0 : Math.max(0, undecidedFrom(-1));
  byId("view-title").textContent = `Pictures: ${state.order.length}`;
  grid.layOut();
  grid.show(state.focus);
  changed();
}

/** Rows of a view, when its scores are there; of a lasso those inside, and the photographs beside them. */
async function viewOf(asked, polygon, number) {
  if (asked.get("score")) {
    const scores = await scored(asked.get("of") ?? "kept", { progress: (done) => {
      if (number === viewNumber) notice(`Comparing all pictures: ${percent(done)}`);
      return number !== viewNumber;
    } });
    if (scores?.missing) throw new Error(`No scores: ${scores.missing}.`);
  }
  const order = await getNumbers(`/api/view?${asked}`, Uint32Array);
  if (!polygon) return order;
  const points = await mapPoints();
  const photographs = asked.get("score") ? [] : Array.from({ length: state.subject.photographs }, (_, at) => state.subject.rows + at);
  return Uint32Array.from([...order, ...photographs].filter((row) => inside(polygon, points[2 * row], points[2 * row + 1])));
}

function said(polygon) {
  if (!state.order.length) return polygon ? "No picture is inside the lasso. Escape goes back." : "No picture is in this view: take a filter away.";
  if (polygon) return "Inside the lasso; all but photographs are selected. Escape goes back.";
  const score = SCORES[filters.query().get("score")];
  return score ? `${score[0]}: ${score[1]}; the worst first.` : "";
}

/** Show what has changed: the focus, the selection, or what is decided. */
function changed() {
  grid.draw();
  large.render();
  describe();
  const decided = decidedInView();
  const beside = photographsInView();
  const all = state.order.length - beside;
  const photographs = beside ? `${beside.toLocaleString("en")} ${beside === 1 ? "photograph" : "photographs"}` : "";
  const parts = [all || !beside ? `${decided.toLocaleString("en")} of ${pictures(all)} decided` : "", photographs, state.selected.size ? `${state.selected.size.toLocaleString("en")} selected` : ""];
  byId("count").textContent = parts.filter(Boolean).join(" · ");
  const bar = byId("progress");
  bar.setAttribute("aria-valuemax", Math.max(1, all));
  bar.setAttribute("aria-valuenow", decided);
  bar.firstElementChild.style.width = `${all ? (100 * decided) / all : 0}%`;
}

function describe() {
  const row = focused();
  if (row === null) {
    byId("described").textContent = "";
    return;
  }
  need([row]);
  const details = detailsOf(row);
  const several = state.selected.size ? `${pictures(state.selected.size)} selected` : `${(state.focus + 1).toLocaleString("en")} of ${state.order.length.toLocaleString("en")}`;
  byId("described").textContent = details ? `${several} · ${sentence(details)}` : several;
}

function notice(text) {
  const box = byId("notice");
  box.hidden = !text;
  box.textContent = text;
}

function told(error, lost) {
  const left = outbox.unsaved();
  const box = byId("saving");
  box.classList.toggle("trouble", Boolean(error));
  if (lost) {
    box.textContent = `Not saved: ${error.message}`;
    notice(`${lost.length} ${lost.length === 1 ? "decision was" : "decisions were"} not saved: ${error.message}. What you see is what the server has.`);
    getNumbers("/api/mine", Uint16Array).then((mine) => { know(mine); changed(); }, () => {});
  } else if (error) box.textContent = `${pictures(left)} not saved yet: ${error.message}; trying again`;
  else box.textContent = left ? "saving …" : "saved";
}

function decide(verdict, label = 0) {
  const rows = targets().filter((row) => verdictOf(row) !== PHOTOGRAPH);
  if (!rows.length) {
    if (state.order.length) byId("saving").textContent = "nothing is decided about photographs";
    return;
  }
  const changes = rows.map((row) => [row, verdict, label && detailsOf(row)?.label === state.subject.labels[label - 1] ? 0 : label]);
  apply(changes);
  outbox.send(changes);
  const one = !state.selected.size;
  state.selected.clear();
  if (one && verdict !== UNDECIDED && state.focus + 1 < state.order.length) moveTo(state.focus + 1);
  changed();
}

async function undo() {
  await outbox.sent();
  try {
    const { changes } = await post("/api/undo", { generation: state.subject.generation, batch: batchId() });
    apply(changes);
    const rows = new Set(changes.map(([row]) => row));
    const position = state.order.findIndex((row) => rows.has(row));
    if (position >= 0) moveTo(position);
    changed();
    byId("saving").textContent = `took back what was said of ${pictures(changes.length)}`;
  } catch (error) {
    byId("saving").textContent = error.message;
  }
}

function moveTo(position, { extend = false } = {}) {
  if (!state.order.length) return;
  state.focus = Math.min(state.order.length - 1, Math.max(0, position));
  if (extend) {
    const [first, last] = [Math.min(state.anchor, state.focus), Math.max(state.anchor, state.focus)];
    state.selected = new Set(state.order.subarray(first, last + 1));
  } else state.anchor = state.focus;
  grid.show(state.focus);
}

function toUndecided(step) {
  const position = undecidedFrom(state.focus, step);
  if (position < 0) byId("saving").textContent = "nothing in this view is undecided";
  else moveTo(position);
}

function mark(position) {
  const row = rowAt(position);
  if (!state.selected.delete(row)) state.selected.add(row);
  state.focus = state.anchor = position;
}

function escape() {
  if (large.isOpen()) large.close();
  else if (state.narrowed) history.back();
  else state.selected.clear();
}

const DOES = {
  accept: () => decide(ACCEPTED),
  reject: () => decide(REJECTED),
  clear: () => decide(UNDECIDED),
  undo,
  next: () => toUndecided(1),
  previous: () => toUndecided(-1),
  mark: () => { if (state.order.length) mark(state.focus); },
  alike: () => { if (state.order.length) filters.go(new URLSearchParams([...filters.query(), ["alike", String(focused())]])); },
  large: () => (large.isOpen() ? large.close() : large.open()),
  picture: () => large.showLayer("picture"),
  nearest: () => large.showLayer("nearest"),
  difference: () => large.showLayer("difference"),
  heat: () => large.showLayer("heat"),
  mask: () => large.showLayer("mask"),
  pixels: () => large.setZoom(0),
  closer: () => large.setZoom(1),
  farther: () => large.setZoom(-1),
  statistics: () => showStatistics().catch((error) => notice(error.message)),
  scores: () => showScores(),
  map: () => showMap(),
  help: () => showHelp(() => { verdictButtons(); large.render(); }),
};
const MOVES = {
  ArrowLeft: () => -1,
  ArrowRight: () => 1,
  ArrowUp: () => -grid.columns(),
  ArrowDown: () => grid.columns(),
  PageUp: () => -grid.columns() * grid.linesInSight(),
  PageDown: () => grid.columns() * grid.linesInSight(),
  Home: () => -state.order.length,
  End: () => state.order.length,
};

document.addEventListener("keydown", (event) => {
  if (!state.subject || byId("dialog").open || event.target.matches("input, select, textarea")) return;
  if (event.target.matches("button") && ["Enter", " "].includes(event.key)) return; // it is that button that is meant
  if (event.key in MOVES && !event.ctrlKey && !event.altKey && !event.metaKey) moveTo(state.focus + MOVES[event.key](), { extend: event.shiftKey });
  else if (event.key === "Escape") escape();
  else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") state.selected = new Set(state.order);
  else if (/^[1-9]$/.test(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
    if (Number(event.key) > state.subject.labels.length) return;
    decide(ACCEPTED, Number(event.key));
  } else {
    const action = actionOf(event);
    if (!action) return;
    DOES[action]();
  }
  event.preventDefault();
  changed();
});

list.addEventListener("click", (event) => {
  const position = grid.positionOf(event);
  if (position < 0) return;
  if (event.shiftKey) moveTo(position, { extend: true });
  else if (event.ctrlKey || event.metaKey) mark(position);
  else {
    state.selected.clear();
    moveTo(position);
  }
  changed();
});
list.addEventListener("dblclick", (event) => {
  if (grid.positionOf(event) >= 0) large.open();
});

function verdictButtons() {
  const tool = (text, key, kind, does) => element("button", { type: "button", class: kind, "aria-keyshortcuts": key, onclick: () => { does(); changed(); list.focus(); } },
    text, element("kbd", { "aria-hidden": "true" }, key));
  const act = (action, text, kind = "quiet") => tool(text, keyOf(action), kind, DOES[action]);
  byId("verdicts").replaceChildren(
    act("accept", "Accept", "accept"), act("reject", "Reject", "reject"),
    ...state.subject.labels.slice(0, 9).map((label, at) => tool(`→ ${label}`, String(at + 1), "relabel", () => decide(ACCEPTED, at + 1))),
    act("clear", "Undecide"), act("undo", "Undo"), act("alike", "All like this"), act("large", "Large"),
  );
}

byId("open-help").addEventListener("click", () => DOES.help());
byId("open-statistics").addEventListener("click", () => DOES.statistics());
byId("open-scores").addEventListener("click", () => DOES.scores());
byId("open-map").addEventListener("click", () => DOES.map());
byId("open-blind").addEventListener("click", () => showBlind());
byId("toggle-filters").addEventListener("click", (event) => {
  const hidden = document.body.classList.toggle("without-filters");
  event.currentTarget.setAttribute("aria-expanded", String(!hidden));
});
if (matchMedia("(max-width: 720px)").matches) byId("toggle-filters").click();
