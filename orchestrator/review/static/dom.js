// Elements are made of text and attributes, never of markup: what a name or a label holds is shown, not run.

export const byId = (id) => document.getElementById(id);

/** An element with attributes (on*: listeners; false and null: left out) and children (text or elements). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export const button = (text, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, text);

export const percent = (share) => `${(100 * share).toFixed(1)}%`;

export const pictures = (count) => `${count.toLocaleString("en")} ${count === 1 ? "picture" : "pictures"}`;

/** A dialog over the page; resolves when it is closed. `fill` gets its close function; `kind` is its class. */
export function openDialog(title, fill, kind = "") {
  const dialog = byId("dialog");
  if (dialog.open) dialog.close();
  dialog.className = kind;
  const close = () => dialog.close();
  dialog.replaceChildren(
    element("div", { class: "head" }, element("h2", { id: "dialog-title" }, title),
      button("✕", close, { "aria-label": "Close", class: "quiet" })),
    element("div", { class: "body" }, ...fill(close)),
  );
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
}
