// Classification on the server's page: a bar for each label.

import { bar, count, element, isNumbers, sameLength, verdict } from "/page/elements.js";

export const fits = ({ classes, probabilities }) => isNumbers(probabilities) && sameLength(classes, probabilities);

export function show({ label, classes, probabilities, selected }) {
  const isChosen = (place) => (selected ? selected[place] : classes[place] === label);
  const order = classes.map((_, place) => place).sort((one, other) => probabilities[other] - probabilities[one]);
  const chosen = order.filter(isChosen).map((place) => classes[place]);
  const rows = order.map((place) => bar(classes[place], probabilities[place], isChosen(place)));
  return [verdict(chosen.join(", ") || "none of the labels"), element("ul", { class: "bars" }, ...rows)];
}

export function about({ kind, multi_label: several, label_names: labels }) {
  return [several ? `multi-label ${kind}` : kind, count(labels.length, "label")];
}
