// One picture, large: its layers by key, in one place, so that going from one to the other shows what differs.

import { detailsOf, figure, need } from "./details.js";
import { button, byId, element } from "./dom.js";
import { keyOf } from "./keys.js";
import { get } from "./server.js";
import { focused, labelOf, rowAt, state, verdictOf } from "./state.js";

export const LAYERS = { picture: "picture", nearest: "nearest real", difference: "difference", heat: "Grad-CAM", mask: "mask" };
const ZOOMS = [0, 1, 2, 4, 8, 16, 32]; // 0: as large as there is room
const PAST_MS = 250;
const section = byId("large");
let layer = "picture";
let zoom = 0;
let heat = { row: null, why: null }; // why: null is asked for, "" is there, else a sentence

export const isOpen = () => !section.hidden;

export function open() {
  section.hidden = false;
  document.body.classList.add("large");
  render();
}

export function close() {
  section.hidden = true;
  section.replaceChildren();
  document.body.classList.remove("large");
  layer = "picture";
  heat = { row: null, why: null };
}

/** See whether the judge's reasons can be shown; of pictures that one goes past quickly nothing is asked. */
async function askHeat(row) {
  const asked = { row, why: null };
  heat = asked;
  await new Promise((resolve) => setTimeout(resolve, PAST_MS));
  if (heat !== asked) return;
  try {
    await get(`/api/heat/${state.subject.generation}/${row}`);
    asked.why = "";
  } catch (error) {
    asked.why = error.message;
  }
  if (heat === asked) render();
}

export function showLayer(name) {
  if (!isOpen()) open();
  layer = name;
  render();
}

export function setZoom(step) {
  if (!isOpen()) return;
  if (step === 0) zoom = zoom ? 0 : 4;
  else zoom = ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, ZOOMS.indexOf(zoom) + step))];
  render();
}

export function render() {
  const row = focused();
  if (!isOpen()) return;
  if (row === null) {
    close();
    return;
  }
  const details = detailsOf(row);
  need([row]);
  const has = details ? details.layers : ["picture"];
  const wantsHeat = layer === "heat" && has.includes("heat");
  if (wantsHeat && heat.row !== row) askHeat(row);
  const shown = has.includes(layer) && (!wantsHeat || heat.why === "") ? layer : null;
  const address = (name, of = row) => `/layer/${state.subject.generation}/${of}/${name}`;
  const tabs = Object.entries(LAYERS).map(([name, text]) => element("button", {
    type: "button", "aria-pressed": String(name === layer), disabled: !has.includes(name), onclick: () => showLayer(name),
  }, text, element("kbd", {}, keyOf(name))));
  const image = shown && element("img", { src: address(shown), alt: `${LAYERS[shown]} of ${details ? details.label : "a picture"}`, class: zoom ? "pixels" : "whole" });
  if (image && zoom) image.addEventListener("load", () => { image.width = image.naturalWidth * zoom; });
  const missing = details && !shown ? element("p", { class: "missing", role: "status" }, whyMissing(wantsHeat)) : null;
  section.replaceChildren(
    element("div", { class: "layers", role: "toolbar", "aria-label": "Layers" }, ...tabs,
      element("span", { class: "zoom" }, button("−", () => setZoom(-1), { "aria-label": "Zoom out" }),
        zoom ? `${zoom} ×` : "whole", button("+", () => setZoom(1), { "aria-label": "Zoom in" })),
      button("Back to the grid", close, { class: "quiet" })),
    element("div", { class: "stage", tabindex: "0", role: "group", "aria-label": "Picture" }, image, missing),
    element("div", { class: "facts", tabindex: "0", role: "group", "aria-label": "What is known of it" }, details && facts(details)),
  );
  for (const name of has) if (name !== shown && name !== "mask" && name !== "heat") new Image().src = address(name);
  for (const beside of [state.focus + 1, state.focus - 1]) if (beside >= 0 && beside < state.order.length) new Image().src = address("picture", rowAt(beside));
}

function whyMissing(wantsHeat) {
  if (!wantsHeat) return `This picture has no ${LAYERS[layer]}${layer === "heat" ? ": nobody has judged it" : ""}.`;
  return heat.why === null ? "The explainer is asked. Where none is running it is started, which takes a moment." : `No Grad-CAM: ${heat.why}`;
}

function facts(details) {
  const said = ["undecided", "accepted", "rejected", "nothing: it is a photograph for training"][verdictOf(details.row)];
  const label = labelOf(details.row);
  const scores = Object.entries(details.scores).sort((a, b) => b[1] - a[1]).map(([name, value]) => `${name} ${figure(value)}`);
  const pairs = [
    ["You", label ? `accepted as ${state.subject.labels[label - 1]}` : said],
    ["Label", details.kind ? `${details.label} (${details.kind})` : details.label],
    ["Filter", [details.verdict || "not judged", ...details.reasons].join(", ")],
    ["Judge", scores.join(", ")],
    ["Novelty", details.novelty === null ? "" : `${figure(details.novelty)} (0: a copy of a real picture)`],
    ["Origin", details.origin],
    ["From", details.source || (details.generator && `${details.generator}, seed ${details.seed}, psi ${details.psi}`)],
    ["Size", `${details.width} × ${details.height}`],
    ["SHA-256", details.sha256.slice(0, 16)],
    ["Others", Object.entries(details.others).map(([name, what]) => `${name}: ${what}`).join("; ")],
  ];
  return element("dl", {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
