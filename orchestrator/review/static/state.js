// What the page knows: its subject, the rows of the view in their order, and what this reviewer has decided.

export const UNDECIDED = 0;
export const ACCEPTED = 1;
export const REJECTED = 2;
export const PHOTOGRAPH = 3; // in a verdict's place: it is one to compare with, and nobody decides about it

export const state = {
  subject: null, // as /api/subject says it
  order: new Uint32Array(), // position -> row; photographs stand behind the subject's rows
  mine: new Uint16Array(), // row -> verdict + 4 * label, where label 0 is the picture's own
  focus: 0, // position
  anchor: 0, // position from which a range is selected
  selected: new Set(), // rows
  narrowed: false, // whether a few of the view are shown in its place: those like one, or inside a lasso
};

/** What this reviewer has decided, as the server has it. */
export function know(mine) {
  state.mine = new Uint16Array(mine.length + state.subject.photographs).fill(PHOTOGRAPH, mine.length);
  state.mine.set(mine);
}

export const verdictOf = (row) => state.mine[row] & 3;
export const labelOf = (row) => state.mine[row] >> 2;
export const rowAt = (position) => state.order[position];
export const focused = () => (state.order.length ? rowAt(state.focus) : null);

/** Rows that a decision is about: those that are selected, else the one that has the focus. */
export function targets() {
  if (state.selected.size) return Array.from(state.order).filter((row) => state.selected.has(row));
  return state.order.length ? [focused()] : [];
}

export function decidedInView() {
  let count = 0;
  for (const row of state.order) if (verdictOf(row) === ACCEPTED || verdictOf(row) === REJECTED) count += 1;
  return count;
}

export const photographsInView = () => state.order.reduce((count, row) => count + (row >= state.subject.rows), 0);

/** Position of the next row (or the one before, step -1) that is not decided; -1: there is none. */
export function undecidedFrom(position, step = 1) {
  const length = state.order.length;
  for (let at = 1; at <= length; at += 1) {
    const next = (((position + step * at) % length) + length) % length;
    if (verdictOf(rowAt(next)) === UNDECIDED) return next;
  }
  return -1;
}

/** Changes as the server knows them: [row, verdict, label]. */
export function apply(changes) {
  for (const [row, verdict, label] of changes) state.mine[row] = verdict + 4 * label;
}
