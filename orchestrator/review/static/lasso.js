// Lassos: polygons in the plane of the map, as the page's address keeps them.

const MOST_CORNERS = 48;

/** [x, y, x, y, …] of an address; null: it has no lasso. */
export function lassoOf(asked) {
  const numbers = (asked.get("lasso") ?? "").split(",").map(Number);
  return numbers.length >= 6 && numbers.length % 2 === 0 && numbers.every(Number.isFinite) ? numbers : null;
}

/** As the address has it: of a long line as many corners as fit. */
export function written(polygon) {
  const corners = polygon.length / 2;
  const step = Math.max(1, corners / MOST_CORNERS);
  const kept = [];
  for (let at = 0; at < corners; at += step) kept.push(polygon[2 * Math.floor(at)], polygon[2 * Math.floor(at) + 1]);
  return kept.map((value) => value.toFixed(4)).join(",");
}

/** Whether a point lies inside, by the even-odd rule; one that is nowhere (nan) does not. */
export function inside(polygon, x, y) {
  let odd = false;
  for (let at = 0, before = polygon.length - 2; at < polygon.length; before = at, at += 2) {
    const [ax, ay, bx, by] = [polygon[at], polygon[at + 1], polygon[before], polygon[before + 1]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}
