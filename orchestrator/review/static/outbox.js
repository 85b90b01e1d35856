// Decisions on their way to the server: one batch after the other, sent again until the server has kept it.
// Nothing counts as saved before the server says so; the page says how much is not.

import { Failed, batchId, post } from "./server.js";
import { state } from "./state.js";

const waiting = [];
let sending = null;
let listener = () => {};

export function whenChanged(changed) {
  listener = changed;
}

export const unsaved = () => waiting.reduce((sum, batch) => sum + batch.changes.length, 0);

export function send(changes) {
  waiting.push({ generation: state.subject.generation, batch: batchId(), changes });
  listener();
  sending ??= drain().finally(() => {
    sending = null;
  });
}

/** Resolves when nothing waits any more. */
export const sent = async () => {
  while (sending) await sending;
};

async function drain() {
  let pause = 250;
  while (waiting.length) {
    try {
      await post("/api/decisions", waiting[0]);
      waiting.shift();
      pause = 250;
      listener();
    } catch (error) {
      const again = error instanceof Failed && (error.status === 0 || error.status >= 500);
      if (!again) {
        const lost = waiting.splice(0);
        listener(error, lost);
        return;
      }
      listener(error);
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(2 * pause, 5000);
    }
  }
}

addEventListener("beforeunload", (event) => {
  if (waiting.length) event.preventDefault();
});
