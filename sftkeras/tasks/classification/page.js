// Classification on the server's page: a bar for each label.

import { bar, count, element, isNumbers, sameLength, verdict } from "/page/elements.js";
import { said } from "/page/words.js";

export const chinese = {
  "none of the labels": "没有符合的标签",
  "classification": "分类",
  "multi-label classification": "多标签分类",
};

export const fits = ({ classes, probabilities }) => isNumbers(probabilities) && sameLength(classes, probabilities);

export function show({ label, classes, probabilities, selected }) {
  const isChosen = (place) => (selected ? selected[place] : classes[place] === label);
  const order = classes.map((_, place) => place).sort((one, other) => probabilities[other] - probabilities[one]);
  const chosen = order.filter(isChosen).map((place) => classes[place]);
  const rows = order.map((place) => bar(classes[place], probabilities[place], isChosen(place)));
  return [verdict(chosen.join(", ") || said("none of the labels")), element("ul", { class: "bars" }, ...rows)];
}

export function about({ kind, multi_label: several, label_names: labels }) {
  return [said(several ? `multi-label ${kind}` : kind), count(labels.length, "label")];
}
