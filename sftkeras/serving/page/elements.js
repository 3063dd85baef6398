// What views are made of. All that a model says is inserted as text, never as markup.

import { language, said } from "./words.js";

/** Makes an element: `element("li", {class: "x"}, "text", child)`. Strings become text nodes. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button within a text, such as "Retry". */
export function act(title, onClick) {
  const button = element("button", { type: "button", class: "act" }, title);
  button.addEventListener("click", onClick);
  return button;
}

/** Puts a text on the clipboard. */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "unseen" }, text); // without TLS a browser gives no clipboard
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    focused?.focus();
  }
}

/** What was predicted, in large letters. */
export function verdict(text) {
  return element("p", { class: "verdict", dir: "auto" }, text);
}

/** A label with its share as a bar; to be put into `<ul class="bars">`. */
export function bar(label, share, isChosen) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  return element(
    "li",
    isChosen ? { class: "chosen" } : {},
    element("span", { class: "label", dir: "auto" }, label),
    element("span", { class: "track", "aria-hidden": "true" }, fill),
    element("span", { class: "share" }, percent(share)),
  );
}

/** A text that may be cut at places that count code points, as models do, not UTF-16 units. */
export function sliced(text) {
  const characters = Array.from(text ?? "");
  return (from, to) => characters.slice(from, to).join("");
}

/** Any value, as JSON. */
export function json(value) {
  return element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
}

/** A number of things; `noun` is the English word for one. */
export function count(number, noun) {
  return said(`{} ${noun}`, number) + (number === 1 || language === "zh" ? "" : "s");
}

export function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

export function isNumbers(values) {
  return Array.isArray(values) && values.every((value) => typeof value === "number");
}

export function sameLength(one, other) {
  return Array.isArray(one) && one.length === other.length;
}
