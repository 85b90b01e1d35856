// Filters: a form beside the grid, and the same in the page's address, so that a view can be kept and sent as a link.

import { button, byId, element } from "./dom.js";
import { SCORES, SETS } from "./scores.js";
import { state } from "./state.js";

const SORTS = [["doubt", "most doubtful first"], ["confidence", "least confident first"], ["novelty", "least novel first"], ["order", "as they came"]];
const MINE = [["", "everything"], ["undecided", "undecided"], ["decided", "decided"], ["accepted", "accepted"], ["rejected", "rejected"], ["relabelled", "given another label"]];
const form = byId("filters");
let onChange = () => {};

export function whenFiltered(listener) {
  onChange = listener;
}

/** The query of the view in the address, as the server takes it. */
export function query() {
  const asked = new URLSearchParams(location.search);
  asked.delete("alike");
  asked.delete("count");
  asked.delete("lasso");
  return asked;
}

export function alikeOf() {
  const row = new URLSearchParams(location.search).get("alike");
  return row !== null && /^\d+$/.test(row) && Number(row) < state.subject.rows + state.subject.photographs ? Number(row) : null;
}

/** Go to another view. */
export function go(asked, { fromForm = false } = {}) {
  history.pushState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}`);
  if (!fromForm) build(); // else the control in use would lose the focus
  onChange();
}

addEventListener("popstate", () => { build(); onChange(); });

/** The form as the address has it. */
export function build() {
  const asked = query();
  const { subject } = state;
  form.replaceChildren(
    choice("mine", "I have decided", MINE, asked),
    choice("sort", "Order", SORTS, asked),
    ...(subject.judged ? [choice("score", "Score", [["", "any"], ...Object.entries(SCORES).map(([value, [text]]) => [value, text])], asked), choice("of", "of the set", Object.entries(SETS), asked)] : []),
    ...several("label", "Label", subject.labels, asked),
    ...several("kind", "Kind of defect", subject.kinds.filter(Boolean), asked),
    ...several("origin", "Origin", subject.origins, asked),
    ...several("verdict", "The filter says", subject.verdicts, asked),
    ...several("reason", "Its reason", subject.reasons, asked, true),
    ...(subject.has_scores ? [range("confidence", "Confidence", asked)] : []),
    ...(subject.has_novelty ? [range("novelty", "Novelty", asked)] : []),
    ...several("reviewer", "Decided by", subject.reviewers, asked, true),
    element("label", { class: "check" }, element("input", { type: "checkbox", name: "differ", value: "true", checked: asked.get("differ") === "true" }), "reviewers differ"),
    sample(asked),
    element("p", { class: "row" }, button("Show everything", () => go(new URLSearchParams()), { class: "quiet" })),
    element("p", { class: "fine" }, "This page is served by your own machine. It loads nothing from elsewhere and sends nothing to anybody."),
  );
}

function choice(name, title, options, asked) {
  const made = options.map(([value, text]) => element("option", { value, selected: (asked.get(name) ?? options[0][0]) === value }, text));
  return element("label", { class: "field" }, title, element("select", { name }, ...made));
}

function several(name, title, values, asked, evenOne = false) {
  if (!values.length || (values.length === 1 && !evenOne)) return [];
  const chosen = asked.getAll(name);
  const boxes = values.map((value) => element("label", { class: "check" },
    element("input", { type: "checkbox", name, value, checked: chosen.includes(value) }), value));
  return [element("fieldset", {}, element("legend", {}, title), ...boxes)];
}

function range(name, title, asked) {
  const end = (part, text) => element("input", {
    type: "number", step: "any", name: `${name}_${part}`, value: asked.get(`${name}_${part}`) ?? "", placeholder: text, "aria-label": `${title} ${text}`,
  });
  return element("fieldset", {}, element("legend", {}, title), element("div", { class: "range" }, end("from", "from"), "–", end("to", "to")));
}

function sample(asked) {
  const size = element("input", { type: "number", min: 1, name: "sample", value: asked.get("sample") ?? "", placeholder: "all", "aria-label": "Size of a random sample" });
  const seed = element("input", { type: "hidden", name: "seed", value: asked.get("seed") ?? "" });
  return element("fieldset", {}, element("legend", {}, "Random sample"), element("div", { class: "range" }, size, seed, "of these"));
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const plain = value === "" || value === { sort: SORTS[0][0], of: Object.keys(SETS)[0] }[name];
    if (!plain) asked.append(name, value);
  }
  if (!asked.has("sample")) asked.delete("seed");
  else if (event.target.name === "sample" || !asked.has("seed")) asked.set("seed", String(crypto.getRandomValues(new Uint32Array(1))[0] >>> 1));
  form.elements.seed.value = asked.get("seed") ?? "";
  go(asked, { fromForm: true });
});
