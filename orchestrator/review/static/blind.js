// The blind test: one picture after the other, real or synthetic; at the end how many were told rightly.

import { blindResult } from "./dialogs.js";
import { button, element, openDialog } from "./dom.js";
import { post } from "./server.js";
import { state } from "./state.js";

export function showBlind() {
  const labels = state.subject.blind_labels;
  return openDialog("Blind test", (close) => {
    const body = element("div", { class: "blind" });
    if (!labels.length) {
      body.append(element("p", {}, "No label has enough real and synthetic pictures for a blind test: it takes five of each."));
      return [body];
    }
    const label = element("select", { id: "blind-label" }, ...labels.map((value) => element("option", { value }, value)));
    const count = element("input", { id: "blind-count", type: "number", min: 10, max: 200, step: 2, value: 40 });
    const trouble = element("p", { class: "trouble", role: "alert" });
    body.append(
      element("p", {}, "Real and synthetic pictures of one label, mixed, half of each. Which is which? All are shown at the size of the synthetic ones."),
      element("label", { class: "field" }, "Label", label), element("label", { class: "field" }, "Pictures", count), trouble,
      element("p", { class: "row" }, button("Begin", async () => {
        try {
          ask(body, await post("/api/blind", { label: label.value, pictures: Number(count.value) }), close);
        } catch (error) {
          trouble.textContent = error.message;
        }
      }, { class: "main" })),
    );
    return [body];
  });
}

function ask(body, trial, close) {
  const answers = [];
  const image = element("img", { alt: "real, or synthetic?", class: "pixels" });
  const count = element("p", { role: "status" });
  const show = () => {
    image.src = `/blind/${trial.id}/${answers.length}`;
    count.textContent = `picture ${answers.length + 1} of ${trial.pictures}`;
  };
  const answer = async (real) => {
    if (answers.length === trial.pictures) return;
    answers.push(real);
    if (answers.length < trial.pictures) {
      show();
      return;
    }
    try {
      const finished = await post(`/api/blind/${trial.id}`, { answers });
      body.replaceChildren(element("p", { class: "result", role: "status" }, `${blindResult(finished.result)}.`), element("p", { class: "row" }, button("Close", close, { class: "main" })));
    } catch (error) {
      count.textContent = error.message;
    }
  };
  const pressed = (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      answer(event.key === "ArrowLeft");
    }
  };
  const dialog = body.closest("dialog");
  dialog.addEventListener("keydown", pressed);
  dialog.addEventListener("close", () => dialog.removeEventListener("keydown", pressed), { once: true });
  body.replaceChildren(element("div", { class: "stage" }, image), count,
    element("p", { class: "row" }, button("← real", () => answer(true)), button("synthetic →", () => answer(false))));
  body.tabIndex = -1;
  body.focus(); // the button that had the focus is gone, and keys would go past the dialog
  show();
}
