// What is known of single pictures, fetched for those in sight and kept for the last few thousand.

import { get } from "./server.js";

const KEPT = 4000;
const AT_ONCE = 200;
const known = new Map(); // row -> details, the last ones used at the end
let asked = new Set();
let onKnown = () => {};

export function whenKnown(listener) {
  onKnown = listener;
}

export const detailsOf = (row) => known.get(row) ?? null;

export function forget() {
  known.clear();
  asked = new Set();
}

/** See that details of these rows are there soon. */
export async function need(rows) {
  const missing = rows.filter((row) => !known.has(row) && !asked.has(row)).slice(0, AT_ONCE);
  if (!missing.length) return;
  for (const row of missing) asked.add(row);
  try {
    const answer = await get(`/api/rows?rows=${missing.join(",")}`);
    for (const details of answer.rows) known.set(details.row, details);
    while (known.size > KEPT) known.delete(known.keys().next().value);
    onKnown();
  } catch {
    // asked for again when they are in sight again
  } finally {
    for (const row of missing) asked.delete(row);
  }
}

export const figure = (value) => (value === null ? "not known" : value.toFixed(2));

/** A picture in one sentence, for the line below the grid and for screen readers. */
export function sentence(details) {
  const parts = [details.kind ? `${details.label} (${details.kind})` : details.label];
  if (details.verdict) parts.push(`the filter ${details.verdict} it${details.reasons.length ? `: ${details.reasons.join(", ")}` : ""}`);
  if (details.confidence !== null) parts.push(`confidence ${figure(details.confidence)}`);
  if (details.novelty !== null) parts.push(`novelty ${figure(details.novelty)}`);
  if (details.source) parts.push(details.source);
  return parts.join(" · ");
}
