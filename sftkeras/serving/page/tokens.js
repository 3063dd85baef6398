// A generated text, token by token: each is as vivid as it was unlikely, and shows what else could have stood there.
// Tokens are those of OpenAI's `logprobs`.

import { bar, element, percent } from "./elements.js";
import { said } from "./words.js";

const MOST_PARTS = 4; // tokens of one character: UTF-8 has four bytes at most
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Joins tokens that hold parts of a character, as those of Chinese and emoji may; gives [{text, tokens}]. */
function units(tokens) {
  const found = [];
  let open = [];
  for (const [place, token] of tokens.entries()) {
    open.push(token);
    const text = decoded(open.flatMap((it) => it.bytes));
    if (text === null && place < tokens.length - 1 && open.length < MOST_PARTS) continue;
    found.push({ text: text ?? open.map((it) => it.token).join(""), tokens: open });
    open = [];
  }
  return found;
}

function decoded(bytes) {
  try {
    return decoder.decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
}

/**
 * The text as buttons, one stop of the Tab key together: the arrow keys move between them. `onChoose` gets the unit that is
 * chosen, null once none is; as long as one is, moving chooses.
 */
export function tokenButtons(tokens, onChoose) {
  const found = units(tokens);
  const buttons = found.map((unit, place) => button(unit, () => choose(isPressed(buttons[place]) ? -1 : place)));
  const label = said("Tokens: the arrow keys move between them, Enter shows what else was likely");
  const all = element("p", { class: "text tokens", dir: "auto", role: "group", "aria-label": label }, ...buttons);
  all.addEventListener("keydown", move);
  all.addEventListener("focusin", (event) => {
    for (const one of buttons) one.tabIndex = one === event.target ? 0 : -1;
  });
  if (buttons.length) buttons[0].tabIndex = 0;
  return all;

  function choose(chosen) {
    for (const [place, one] of buttons.entries()) one.setAttribute("aria-pressed", String(place === chosen));
    onChoose(found[chosen] ?? null);
  }

  function move(event) {
    const place = buttons.indexOf(document.activeElement);
    const target = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (place < 0 || !buttons[target]) return;
    event.preventDefault();
    buttons[target].focus();
    if (buttons.some(isPressed)) choose(target);
  }
}

function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/** No `<button>`, since that would not break between lines as text does. */
function button(unit, onPress) {
  const probability = Math.exp(unit.tokens.reduce((sum, it) => sum + it.logprob, 0));
  const attributes = { class: "token", role: "button", tabindex: "-1", "aria-pressed": "false", title: percent(probability) };
  const made = element("span", attributes, unit.text.replaceAll("\n", "⏎\n"));
  made.style.setProperty("--doubt", `${Math.round(55 * (1 - probability))}%`);
  made.addEventListener("click", onPress);
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onPress();
  });
  return made;
}

/** What else was likely in the place of each token of a unit. */
export function alternatives(unit) {
  return unit.tokens.map((token) => {
    const isChosen = (it) => it.bytes.join() === token.bytes.join();
    const rows = token.top_logprobs.some(isChosen) ? token.top_logprobs : [...token.top_logprobs, token];
    return element("ul", { class: "bars" }, ...rows.map((it) => bar(name(it), Math.exp(it.logprob), isChosen(it))));
  });
}

/** A token with its spaces to be seen; as bytes if it is a part of a character, in words if it is of no text. */
function name({ token, bytes }) {
  if (!bytes.length) return said("(special)");
  if (decoded(bytes) === null) return bytes.map((it) => it.toString(16).toUpperCase().padStart(2, "0")).join(" ");
  return token.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}
