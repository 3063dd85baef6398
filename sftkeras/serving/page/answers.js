// How an answer is shown: one view for each kind, the first that fits. Everything the model says is inserted as text.

/** Makes an element: `element("li", {class: "x"}, "text", child)`. Strings become text nodes, never markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A view tells whether it knows an answer, and makes the nodes to show. `texts` is what was asked, for views that mark
// parts of it: a task that answers with character offsets adds its view here.
const views = [
  { fits: (answer) => isNumbers(answer.probabilities) && sameLength(answer.classes, answer.probabilities), show: bars },
  { fits: (answer) => typeof answer.value === "number", show: number },
  { fits: (answer) => isNumbers(answer.start) && sameLength(answer.start, answer.end), show: spans },
];

/** Shows one record of named answers, such as {label, probability, classes, probabilities}; a lone answer has no name. */
export function showAnswer(answer, texts) {
  const record = answer !== null && typeof answer === "object" && !Array.isArray(answer) ? answer : { value: answer };
  const view = views.find((it) => it.fits(record));
  return view ? view.show(record, texts) : [element("pre", { tabindex: "0" }, JSON.stringify(answer, null, 2))];
}

function bars({ label, classes, probabilities, selected }) {
  const isChosen = (place) => (selected ? selected[place] : classes[place] === label);
  const order = classes.map((_, place) => place).sort((one, other) => probabilities[other] - probabilities[one]);
  const chosen = order.filter(isChosen).map((place) => classes[place]);
  const verdict = element("p", { class: "verdict", dir: "auto" }, chosen.join(", ") || "none of the labels");
  const rows = order.map((place) => bar(classes[place], probabilities[place], isChosen(place)));
  return [verdict, element("ul", { class: "bars" }, ...rows)];
}

function bar(label, probability, isChosen) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * probability}%`;
  return element(
    "li",
    isChosen ? { class: "chosen" } : {},
    element("span", { class: "label", dir: "auto" }, label),
    element("span", { class: "track", "aria-hidden": "true" }, fill),
    element("span", { class: "share" }, percent(probability)),
  );
}

function number({ value }) {
  return [element("p", { class: "verdict" }, value.toLocaleString("en", { maximumSignificantDigits: 7 }))];
}

/** Marks the entities in the text that was asked. Their places count code points, as `Array.from` does. */
function spans({ label, score, start, end }, texts) {
  const characters = Array.from(texts?.[0] ?? "");
  const slice = (from, to) => characters.slice(from, to).join("");
  const shown = element("p", { class: "marked", dir: "auto" });
  const found = start.map((_, place) => place).filter((place) => start[place] >= 0);
  let done = 0;
  for (const place of found) {
    const title = score ? `${label[place]}, ${percent(score[place])}` : label[place];
    const name = element("span", { class: "label" }, label[place]);
    shown.append(slice(done, start[place]), element("mark", { title }, slice(start[place], end[place]), name));
    done = end[place];
  }
  shown.append(slice(done));
  return found.length ? [shown] : [element("p", { class: "verdict" }, "no entities"), shown];
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function isNumbers(values) {
  return Array.isArray(values) && values.every((value) => typeof value === "number");
}

function sameLength(one, other) {
  return Array.isArray(one) && one.length === other.length;
}
