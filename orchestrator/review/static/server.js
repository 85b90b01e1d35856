// What the page asks its server for. Every failure is an Error whose message is a sentence for a person.

export class Failed extends Error {
  constructor(message, status) {
    super(message);
    this.status = status; // 0: no answer at all
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Failed("the server does not answer", 0);
  }
  if (response.ok) return response;
  let said = "";
  try {
    said = (await response.json()).error;
  } catch {
    // no JSON: the status has to do
  }
  throw new Failed(said || `the server answers ${response.status}`, response.status);
}

export const get = async (path) => (await ask(path)).json();
export const getNumbers = async (path, Kind) => new Kind(await (await ask(path)).arrayBuffer());
export const post = async (path, body = {}) =>
  (await ask(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } })).json();

/** An id that no other batch has. */
export function batchId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
