// How an answer is shown: one view for each kind, the first that fits. Everything the model says is inserted as text.

/** Makes an element: `element("li", {class: "x"}, "text", child)`. Strings become text nodes, never markup. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A view tells whether it knows an answer, and makes the nodes to show. `texts` is what was asked, for views that mark
// parts of it: a task that answers with character offsets adds its view here. A model that was asked in JSON has none.
const views = [
  { fits: (answer) => isNumbers(answer.probabilities) && sameLength(answer.classes, answer.probabilities), show: bars },
  { fits: (answer) => typeof answer.value === "number", show: number },
  { fits: (answer) => typeof answer.no_answer === "number" && typeof answer.start === "number", show: partOfContext },
  { fits: (answer) => isNumbers(answer.start) && sameLength(answer.start, answer.end), show: spans },
  { fits: (answer, texts) => texts && isNumbers(answer.vector ?? answer.value), show: vector },
  { fits: (answer) => isNumbers(answer.loss) && sameLength(answer.token, answer.loss) && sameLength(answer.hidden, answer.loss), show: masks },
];

/** Shows one record of named answers, such as {label, probability, classes, probabilities}; a lone answer has no name. */
export function showAnswer(answer, texts) {
  const record = answer !== null && typeof answer === "object" && !Array.isArray(answer) ? answer : { value: answer };
  const view = views.find((it) => it.fits(record, texts));
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

/** A vector, shortly: nobody reads hundreds of numbers. A model that answers nothing else names it `value` here. */
function vector({ vector, value }) {
  const numbers = vector ?? value;
  const first = numbers.slice(0, 8).map((it) => it.toFixed(4)).join(", ");
  const all = element("pre", { tabindex: "0" }, JSON.stringify(numbers));
  return [
    element("p", { class: "verdict" }, `a vector of ${numbers.length.toLocaleString("en")} numbers`),
    element("details", {}, element("summary", {}, `${first}${numbers.length > 8 ? ", …" : ""}`), all),
  ];
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

/** Marks the answer in the context, the second text that was asked; of the model's own characters alone without it. */
function partOfContext({ answer, score, start, end, no_answer: none }, texts) {
  const verdict = element("p", { class: "verdict", dir: "auto" }, answer || "no answer");
  const sure = element("p", {}, `${percent(score)} sure; no answer: ${percent(none)}`);
  const characters = Array.from(texts?.[1] ?? "");
  const slice = (from, to) => characters.slice(from, to).join("");
  if (start < 0 || !characters.length) return [verdict, sure];
  const marked = element("mark", {}, slice(start, end));
  return [verdict, sure, element("p", { class: "marked", dir: "auto" }, slice(0, start), marked, slice(end))];
}

/** The likely tokens at each mask. Where the text has none, words were hidden to tell how well the model knows it. */
function masks({ token, probability, hidden, loss }) {
  const places = token.map((_, place) => place).filter((place) => token[place].some((it) => it));
  const losses = loss.filter((_, place) => hidden[place]);
  const perplexity = Math.exp(losses.reduce((sum, it) => sum + it, 0) / losses.length);
  const shown = places.map((place) => {
    const rows = token[place].map((it, rank) => bar(it, probability[place][rank], it === hidden[place]));
    const about = hidden[place] ? ["hidden: ", element("b", { dir: "auto" }, hidden[place])] : [];
    return element("li", {}, ...about, element("ul", { class: "bars" }, ...rows));
  });
  const list = element("ol", { class: "masks" }, ...shown);
  if (!places.length) return [element("p", { class: "verdict" }, "nothing is hidden")];
  return losses.length ? [element("p", { class: "verdict" }, `perplexity ${perplexity.toPrecision(3)}`), list] : [list];
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
