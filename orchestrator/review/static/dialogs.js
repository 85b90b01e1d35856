// Dialogs: who is there, keys, statistics.

import { button, element, openDialog, percent, pictures } from "./dom.js";
import { go, query } from "./filters.js";
import { ACTIONS, FIXED, change, keyOf, restore } from "./keys.js";
import { get, post } from "./server.js";

const NAME = "defectory-review-name";

/** Ask who is there until the server lets him in. */
export async function signIn(token) {
  for (;;) {
    const name = element("input", { id: "name", name: "name", required: true, autofocus: true, maxlength: 60, autocomplete: "username", value: localStorage.getItem(NAME) ?? "" });
    const trouble = element("p", { class: "trouble", role: "alert" });
    let done = false;
    await openDialog("Who is reviewing?", (close) => [
      element("form", {
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await post("/api/session", { token, name: name.value });
            localStorage.setItem(NAME, name.value);
            done = true;
            close();
          } catch (error) {
            trouble.textContent = error.message;
          }
        },
      },
      element("p", {}, "Every decision is kept with this name and the time."),
      element("label", { class: "field", for: "name" }, "Your name", name), trouble,
      element("p", { class: "row" }, element("button", { type: "submit", class: "main" }, "Begin"))),
    ]);
    if (done) return;
  }
}

export function showHelp(changed) {
  return openDialog("Keys", (close) => {
    const trouble = element("p", { class: "trouble", role: "alert" });
    const row = (action) => {
      const given = button(keyOf(action), () => {
        given.textContent = "press a key …";
        given.addEventListener("keydown", (event) => {
          event.preventDefault();
          event.stopPropagation();
          trouble.textContent = event.key === "Escape" ? "" : change(action, event);
          given.textContent = keyOf(action);
          changed();
        }, { once: true });
      }, { class: "key", "aria-label": `Key for: ${ACTIONS[action][1]}. Press to change it` });
      return element("tr", {}, element("td", {}, given), element("td", {}, ACTIONS[action][1]));
    };
    return [
      element("table", { class: "keys" }, element("tbody", {}, ...Object.keys(ACTIONS).map(row),
        ...FIXED.map(([keys, what]) => element("tr", {}, element("td", {}, element("kbd", {}, keys)), element("td", {}, what))))),
      trouble,
      element("p", { class: "row" }, button("As they were", () => { restore(); changed(); close(); })),
    ];
  });
}

const between = (low, high, form) => (low === null ? "" : ` (95%: ${form(low)} to ${form(high)})`);

function agreement(pair) {
  const raw = `the same on ${pair.agreed} of ${pair.both}`;
  if (pair.kappa === null) return `kappa not defined, as both say one thing of everything; ${raw}`;
  return `kappa ${pair.kappa.toFixed(2)}${between(pair.low, pair.high, (value) => value.toFixed(2))}; ${raw}`;
}

export function blindResult(result) {
  const share = result.right / result.pictures;
  const tells = result.low > 0.5 ? "real and synthetic can be told apart" : "nothing says that they can be told apart";
  return `${result.label}: ${result.right} of ${result.pictures} right, ${percent(share)}${between(result.low, result.high, percent)}: ${tells}; ` +
    `${result.called_real} of ${result.synthetic} synthetic ones were taken for real`;
}

export async function showStatistics() {
  const figures = await get(`/api/statistics?${query()}`);
  return openDialog("Statistics", (close) => {
    const documents = element("div", { role: "status" });
    return [
      element("p", {}, `${pictures(figures.rows)}, of which ${figures.decided.toLocaleString("en")} are decided.`),
      table(["Reviewer", "accepted", "rejected", "other label", "against the filter", "minutes"], figures.reviewers.map((one) =>
        [one.name, one.accepted, one.rejected, one.relabelled, one.overruled, one.minutes.toFixed(1)])),
      element("p", { class: "fine" }, "Minutes are those between decisions; more than one minute without any is a pause. Reviewed need not mean more accurate."),
      ...figures.pairs.map((pair) => element("p", {}, `${pair.first} and ${pair.second}: ${agreement(pair)} `,
        pair.differ ? button(`show the ${pair.differ} on which they differ`, () => {
          close();
          go(new URLSearchParams([["reviewer", pair.first], ["reviewer", pair.second], ["differ", "true"]]));
        }) : null)),
      figures.sample && element("p", {}, sampled(figures.sample)),
      ...figures.blind.map((one) => element("p", {}, `Blind test by ${one.by}, ${blindResult(one)}.`)),
      element("p", { class: "row" }, button("Write what counts now", async () => {
        const written = await post("/api/documents");
        const uris = Object.values(written.documents);
        documents.replaceChildren(...(uris.length ? uris.map((uri) => element("code", {}, uri)) : ["nothing is decided yet"]));
      }, { class: "main" })),
      documents,
      element("p", { class: "fine" }, "A document of decisions is a view of its dataset: its address stands for the dataset wherever a manifest is taken. The next run of the same pipeline uses it by itself."),
    ];
  });
}

function sampled(sample) {
  if (!sample.decided) return `Of the random sample of ${pictures(sample.size)} nothing is decided yet.`;
  return `Random sample: ${sample.bad} of the ${sample.decided} decided are bad, ${percent(sample.bad / sample.decided)}` +
    `${between(sample.low, sample.high, percent)}; ${sample.size - sample.decided} of the sample are left.`;
}

function table(heads, rows) {
  return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Reviewers" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, at) => (at ? element("td", {}, String(cell)) : element("th", { scope: "row" }, cell))))))));
}
