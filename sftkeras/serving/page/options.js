// The settings of a chat: the system prompt, and how texts are sampled. What is left empty is the model's own default.

import { element } from "./elements.js";
import { said } from "./words.js";

// Names are those of the request; `facts` the name among the model's defaults, where it is another.
const NUMBERS = [
  { name: "temperature", title: "Temperature", hint: "0: always the likeliest", min: 0, max: 2, step: "any" },
  { name: "max_completion_tokens", title: "Token limit", hint: "of an answer", facts: "max_new_tokens", min: 1, step: 1 },
  { name: "top_p", title: "Top p", hint: "share to draw from", min: 0, max: 1, step: "any" },
  { name: "top_k", title: "Top k", hint: "0: no limit", min: 0, step: 1 },
  { name: "min_p", title: "Min p", hint: "share of the likeliest", min: 0, max: 1, step: "any" },
  { name: "repetition_penalty", title: "Repetition penalty", hint: "1: none", min: 0.01, max: 10, step: "any" },
  { name: "seed", title: "Seed", hint: "repeats a text", facts: null, step: 1 },
];

/** The fields of all numbers. */
export function numberFields() {
  return NUMBERS.map(({ name, title, hint, facts, ...limits }) => {
    const input = element("input", { id: `option-${name}`, name, type: "number", "aria-describedby": `hint-${name}`, ...limits });
    return element("div", {}, element("label", { for: input.id }, said(title)), input, element("span", { class: "soft hint", id: `hint-${name}` }, said(hint)));
  });
}

/** Shows the defaults of a model where nothing is set. */
export function showDefaults(form, { defaults, system }) {
  for (const { name, facts = name } of NUMBERS) form.elements[name].placeholder = facts ? (defaults[facts] ?? "") : said("random");
  form.elements.system.placeholder = system ?? said("none");
}

/** The options that were set, as a request has them. */
export function options(form) {
  const numbers = NUMBERS.map(({ name }) => [name, form.elements[name].valueAsNumber]);
  const stop = form.elements.stop.value.split("\n").filter(Boolean);
  return { ...Object.fromEntries(numbers.filter(([, value]) => !Number.isNaN(value))), ...(stop.length && { stop }) };
}
