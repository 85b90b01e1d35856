// The map of the features: all pictures in one plane; a lasso, or a box moved by keys, chooses those to look at.

import { button, element, openDialog, percent, pictures } from "./dom.js";
import { go, query } from "./filters.js";
import { inside, written } from "./lasso.js";
import { get, getNumbers } from "./server.js";
import { state } from "./state.js";

const COLOURS = ["#3987e5", "#e08a00", "#2fa653", "#b06be0", "#d94f6b", "#1f9aa8", "#a0762a", "#7d8a99"];
const GROUND = "#202326";
const MARGIN = 0.06; // of the plot, around all points
const CLOSER = 1.5;
const BOX = 0.3; // of the plot's sides, that a box by keys has at first
const STEP = 0.03;
let points = null;

/** Points [x, y, …] of rows, then of photographs, fetched once. */
export async function mapPoints() {
  points ??= await getNumbers("/api/map/points", Float32Array);
  return points;
}

export function showMap() {
  const body = element("div", { class: "map" }, element("p", { role: "status" }, "computing the map …"));
  openDialog("Map of the features", (close) => {
    draw(body, close).catch((error) => body.replaceChildren(element("p", { class: "trouble" }, error.message)));
    return [body];
  }, "broad");
}

async function draw(body, close) {
  const answer = await get("/api/map");
  if (answer.missing) {
    body.replaceChildren(element("p", {}, `No map: ${answer.missing}.`));
    return;
  }
  const at = await mapPoints();
  const labels = state.subject.labels;
  const colours = await rowColours();
  const shown = new Uint8Array(at.length / 2);
  for (const row of state.order) shown[row] = 1;
  shown.fill(1, state.subject.rows);
  const canvas = element("canvas", { "aria-hidden": "true" });
  const stage = element("div", { class: "plot", role: "application", tabindex: "0", autofocus: true,
    "aria-label": "Map of the features. Draw around pictures, or move a box by the arrows, size it by Shift and arrows; plus and minus zoom; Enter shows what is inside" }, canvas);
  const count = element("p", { role: "status" }, "Draw around what you want to look at.");
  const go_on = button("Show them", () => show(), { class: "main", disabled: true });
  const [first, second] = answer.explained;
  body.replaceChildren(stage, element("p", { class: "row" }, go_on, button("−", () => zoom(1 / CLOSER), { "aria-label": "Zoom out" }), button("+", () => zoom(CLOSER), { "aria-label": "Zoom in" }), count),
    element("p", { class: "legend" }, ...labels.map((label, place) => element("span", { class: "key-of" }, swatch(COLOURS[place % COLOURS.length]), label)), element("span", { class: "key-of" }, swatch("#fff", true), "photographs for training")),
    element("p", { class: "fine" }, `Principal components of the judge's features, synthetic pictures and photographs weighing the same; they show ${percent(first)} (across) and ${percent(second)} (up) of how pictures differ, so what lies together here need not be alike. Pictures outside the view are faint.`));

  const base = document.createElement("canvas");
  const whole = extent(at);
  let view = whole;
  let polygon = null; // in the plane
  let box = null;
  let path = null; // in pixels, while it is drawn
  const size = () => [canvas.width, canvas.height];
  const toPixels = (x, y) => [((x - view.x) / view.width) * canvas.width, (1 - (y - view.y) / view.height) * canvas.height];
  const toPlane = (x, y) => [view.x + (x / canvas.width) * view.width, view.y + (1 - y / canvas.height) * view.height];

  function redraw() {
    const [width, height] = size();
    [base.width, base.height] = [width, height];
    const brush = base.getContext("2d");
    brush.fillStyle = GROUND;
    brush.fillRect(0, 0, width, height);
    const dot = Math.max(2, Math.round((devicePixelRatio || 1) * (state.subject.rows > 5000 ? 1.5 : 3)));
    for (const strong of [0, 1]) {
      brush.globalAlpha = strong ? 0.75 : 0.15;
      for (let place = 0; place < labels.length; place += 1) {
        brush.fillStyle = COLOURS[place % COLOURS.length];
        for (let row = 0; row < state.subject.rows; row += 1) {
          if (shown[row] !== strong || colours[row] !== place || Number.isNaN(at[2 * row])) continue;
          const [x, y] = toPixels(at[2 * row], at[2 * row + 1]);
          brush.fillRect(x - dot / 2, y - dot / 2, dot, dot);
        }
      }
    }
    brush.globalAlpha = 1;
    brush.lineWidth = 1.5 * (devicePixelRatio || 1);
    for (let row = state.subject.rows; row < at.length / 2; row += 1) {
      if (Number.isNaN(at[2 * row])) continue;
      const [x, y] = toPixels(at[2 * row], at[2 * row + 1]);
      brush.strokeStyle = "#000";
      ring(brush, x, y, 2.2 * dot + 1);
      brush.strokeStyle = "#fff";
      ring(brush, x, y, 2.2 * dot);
    }
    overlay();
  }

  function overlay() {
    const brush = canvas.getContext("2d");
    brush.drawImage(base, 0, 0);
    const corners = path ?? (polygon ? pairs(polygon).map(([x, y]) => toPixels(x, y)) : []);
    if (corners.length < 2) return;
    brush.beginPath();
    corners.forEach(([x, y], place) => (place ? brush.lineTo(x, y) : brush.moveTo(x, y)));
    if (!path) brush.closePath();
    brush.fillStyle = "rgb(255 255 255 / .12)";
    brush.fill();
    brush.strokeStyle = "#fff";
    brush.lineWidth = 2 * (devicePixelRatio || 1);
    brush.stroke();
  }

  function choose(chosen) {
    polygon = chosen;
    let [rows, photographs] = [0, 0];
    for (let row = 0; chosen && row < at.length / 2; row += 1) {
      if (!shown[row] || !inside(chosen, at[2 * row], at[2 * row + 1])) continue;
      if (row < state.subject.rows) rows += 1;
      else photographs += 1;
    }
    go_on.disabled = !rows && !photographs;
    count.textContent = chosen ? `${pictures(rows)} of this view and ${photographs.toLocaleString("en")} ${photographs === 1 ? "photograph" : "photographs"} inside` : "Draw around what you want to look at.";
    overlay();
  }

  function show() {
    if (go_on.disabled) return;
    close();
    go(new URLSearchParams([...query(), ["lasso", written(polygon)]]));
  }

  function zoom(times, [x, y] = [view.x + view.width / 2, view.y + view.height / 2]) {
    const width = Math.min(whole.width, view.width / times);
    const share = width / view.width;
    view = { x: x - (x - view.x) * share, y: y - (y - view.y) * share, width, height: view.height * share };
    if (width === whole.width) view = whole;
    redraw();
  }

  function moveBox(event) {
    box ??= { x: view.x + (view.width * (1 - BOX)) / 2, y: view.y + (view.height * (1 - BOX)) / 2, width: view.width * BOX, height: view.height * BOX };
    const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.shiftKey) {
      box.width = Math.max(STEP * view.width, box.width + right * STEP * view.width);
      box.height = Math.max(STEP * view.height, box.height + up * STEP * view.height);
    } else {
      box.x += right * STEP * view.width;
      box.y += up * STEP * view.height;
    }
    choose([box.x, box.y, box.x + box.width, box.y, box.x + box.width, box.y + box.height, box.x, box.y + box.height]);
  }

  const pixel = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [((event.clientX - frame.left) / frame.width) * canvas.width, ((event.clientY - frame.top) / frame.height) * canvas.height];
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    [box, path] = [null, [pixel(event)]];
  });
  stage.addEventListener("pointermove", (event) => {
    if (!path) return;
    path.push(pixel(event));
    overlay();
  });
  stage.addEventListener("pointerup", () => {
    const corners = path ?? [];
    path = null;
    choose(corners.length > 2 ? corners.flatMap(([x, y]) => toPlane(x, y)) : null);
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, toPlane(...pixel(event)));
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) moveBox(event);
    else if (event.key === "+") zoom(CLOSER, middle(box));
    else if (event.key === "-") zoom(1 / CLOSER, middle(box));
    else if (event.key === "Enter") show();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Enter has closed the dialog, and would open a picture as well
  });
  new ResizeObserver(() => {
    if (!stage.clientWidth) return;
    canvas.width = Math.round(stage.clientWidth * (devicePixelRatio || 1));
    canvas.height = Math.round(stage.clientHeight * (devicePixelRatio || 1));
    redraw();
  }).observe(stage);
  stage.focus();
}

/** row -> its label, as an index of the subject's: by views, so that nothing has to be known of single pictures. */
async function rowColours() {
  const colours = new Uint8Array(state.subject.rows);
  const { labels } = state.subject;
  for (let place = 1; place < labels.length; place += 1) {
    const rows = await getNumbers(`/api/view?${new URLSearchParams([["label", labels[place]], ["sort", "order"]])}`, Uint32Array);
    for (const row of rows) colours[row] = place;
  }
  return colours;
}

function extent(at) {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let place = 0; place < at.length; place += 2) {
    if (Number.isNaN(at[place])) continue;
    [left, right] = [Math.min(left, at[place]), Math.max(right, at[place])];
    [bottom, top] = [Math.min(bottom, at[place + 1]), Math.max(top, at[place + 1])];
  }
  const [width, height] = [right - left || 1, top - bottom || 1];
  return { x: left - MARGIN * width, y: bottom - MARGIN * height, width: width * (1 + 2 * MARGIN), height: height * (1 + 2 * MARGIN) };
}

const middle = (box) => (box ? [box.x + box.width / 2, box.y + box.height / 2] : undefined);
const pairs = (numbers) => Array.from({ length: numbers.length / 2 }, (_, place) => [numbers[2 * place], numbers[2 * place + 1]]);

function ring(brush, x, y, radius) {
  brush.beginPath();
  brush.arc(x, y, radius, 0, 2 * Math.PI);
  brush.stroke();
}

/** A sign of the legend: a dot as pictures have, or a ring as photographs. */
function swatch(colour, isRing = false) {
  const sign = element("canvas", { width: 14, height: 14, "aria-hidden": "true" });
  const brush = sign.getContext("2d");
  brush.fillStyle = GROUND;
  brush.fillRect(0, 0, 14, 14);
  brush.fillStyle = brush.strokeStyle = colour;
  if (isRing) ring(brush, 7, 7, 4);
  else brush.fillRect(4, 4, 6, 6);
  return sign;
}
