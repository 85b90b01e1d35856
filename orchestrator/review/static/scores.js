// The four scores of a set: a table, label by label, of which every figure shows the pictures that it counts.

import { button, element, openDialog, percent } from "./dom.js";
import { go, query } from "./filters.js";
import { get } from "./server.js";
import { state } from "./state.js";

export const SCORES = {
  unrealistic: ["unrealistic", "synthetic pictures in no photograph's neighbourhood: farther from every photograph than that one's fifth nearest is from it"],
  alike: ["too alike", "synthetic pictures nearer to another one of their label than 99% of the photographs are to the nearest one of another part"],
  memorised: ["memorised", "synthetic pictures nearer to a training photograph than 99% of the photographs are to the nearest one of another part"],
  uncovered: ["not covered", "training photographs in whose neighbourhood no synthetic picture lies"],
};
export const SETS = { kept: "what counts now", made: "all that were made" };
const ASK_AGAIN_MS = 300;

/** A set's scores, when they are there; `progress` is told how much of the work is done, and stops it by true. */
export async function scored(of, { anew = false, progress = () => false } = {}) {
  let again = anew;
  for (;;) {
    const answer = await get(`/api/scores?of=${of}${again ? "&anew=1" : ""}`);
    again = false;
    if (answer.done === null) return answer;
    if (progress(answer.done)) return null;
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

export function showScores() {
  let shown = query().get("of") === "made" ? "made" : "kept";
  let closed = false;
  const table = element("div", { role: "status" });
  const fill = async (close) => {
    const of = shown;
    try {
      const answer = await scored(of, { anew: true, progress: (done) => {
        if (!closed && of === shown) table.replaceChildren(element("progress", { max: 1, value: done, "aria-label": "comparing" }), ` comparing all pictures: ${percent(done)}`);
        return closed || of !== shown;
      } });
      if (answer && of === shown) table.replaceChildren(answer.missing ? element("p", {}, `No scores: ${answer.missing}.`) : figures(answer, close));
    } catch (error) {
      if (of === shown) table.replaceChildren(element("p", { class: "trouble" }, error.message));
    }
  };
  return openDialog("Scores of the set", (close) => {
    const sets = element("select", { id: "scored-set", onchange: (event) => { shown = event.target.value; fill(close); } },
      ...Object.entries(SETS).map(([value, text]) => element("option", { value, selected: value === shown }, text)));
    fill(close);
    return [
      element("label", { class: "field" }, "The set", sets), table,
      element("dl", { class: "meanings" }, ...Object.values(SCORES).flatMap(([name, what]) => [element("dt", {}, name), element("dd", {}, what)])),
      element("p", { class: "fine" }, "All in the judge's features, each label by itself. Of new photographs about one in a hundred would be called memorised. Intervals: 95%, Clopper and Pearson's, and where pictures come in groups (photographs of a part, pictures that are alike) no narrower than a bootstrap over these. A larger set has nearer neighbours by itself: compare sets of one size."),
    ];
  }, "broad").then(() => { closed = true; });
}

function figures(answer, close) {
  const cell = (label, share) => {
    const text = `${share.count.toLocaleString("en")} of ${share.of.toLocaleString("en")}`;
    const what = `${percent(share.count / share.of)} (${percent(share.low)} to ${percent(share.high)})`;
    return element("td", {}, button(text, () => {
      close();
      const asked = [["score", share.score], ["of", answer.of]].filter(([name, value]) => name !== "of" || value !== "kept");
      go(new URLSearchParams([...(state.subject.labels.length > 1 ? [["label", label]] : []), ...asked]));
    }, { disabled: !share.count, "aria-label": `${SCORES[share.score][0]}, ${label}: ${text}, ${what}. Show them` }), element("span", { class: "fine" }, what));
  };
  const rows = answer.labels.map((one) => element("tr", {}, element("th", { scope: "row" }, one.label),
    ...(one.missing ? [element("td", { colspan: 4 }, `no scores: ${one.missing}`)] : one.shares.map((share) => cell(one.label, share)))));
  return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Scores" }, element("table", { class: "scores" },
    element("thead", {}, element("tr", {}, ...["Label", ...Object.values(SCORES).map(([name]) => name)].map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows)));
}
