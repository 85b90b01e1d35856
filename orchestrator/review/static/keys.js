// Keys: verdicts under one hand, moving under the other. Each can be changed; the browser remembers it.

const STORED = "defectory-review-keys";

export const ACTIONS = {
  accept: ["a", "accept, under its own label"],
  reject: ["r", "reject"],
  clear: ["c", "take the decision back to undecided"],
  undo: ["u", "undo the last decision, of however many pictures"],
  next: ["n", "go to the next undecided one"],
  previous: ["p", "go to the undecided one before"],
  mark: ["x", "select it, or no longer"],
  alike: ["l", "select all like this"],
  large: ["Enter", "one picture, large, or back"],
  picture: ["q", "layer: the picture"],
  nearest: ["w", "layer: the nearest real picture"],
  difference: ["e", "layer: their difference"],
  heat: ["g", "layer: Grad-CAM, what the judge looked at"],
  mask: ["m", "layer: the mask"],
  pixels: ["z", "zoom: whole, or pixel by pixel"],
  closer: ["+", "zoom in"],
  farther: ["-", "zoom out"],
  statistics: ["i", "statistics"],
  scores: ["s", "four scores of the set"],
  map: ["o", "map of the features"],
  help: ["?", "these keys"],
};
export const FIXED = [
  ["arrows, Page ↑ ↓, Home, End", "move"],
  ["Shift + arrows", "select a range"],
  ["Ctrl + A", "select the whole view"],
  ["1 … 9", "accept under another label"],
  ["Escape", "close, or select nothing"],
];

const own = read();

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    return Object.fromEntries(Object.entries(stored).filter(([action, key]) => action in ACTIONS && typeof key === "string"));
  } catch {
    return {};
  }
}

export const keyOf = (action) => own[action] ?? ACTIONS[action][0];

export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return Object.keys(ACTIONS).find((action) => keyOf(action) === key) ?? null;
}

/** Give an action another key; "" or a sentence that says why not. */
export function change(action, event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (/^[1-9]$/.test(key) || /^(Arrow|Page|Home|End|Escape|Tab|Shift|Control|Alt|Meta)/.test(key)) return `${key} has its own meaning`;
  const other = Object.keys(ACTIONS).find((one) => one !== action && keyOf(one) === key);
  if (other) return `${key} is taken: ${ACTIONS[other][1]}`;
  own[action] = key;
  localStorage.setItem(STORED, JSON.stringify(own));
  return "";
}

export function restore() {
  for (const action of Object.keys(own)) delete own[action];
  localStorage.removeItem(STORED);
}
