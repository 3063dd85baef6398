// Tagging on the server's page: the entities, marked in the text that was sent.

import { count, element, isNumbers, percent, sameLength, sliced, verdict } from "/page/elements.js";
import { said } from "/page/words.js";

export const chinese = { "no entities": "没有实体", "tagging": "序列标注" };

export const fits = ({ start, end }) => isNumbers(start) && sameLength(start, end);

export function show({ label, score, start, end }, texts) {
  const slice = sliced(texts?.[0]);
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
  return found.length ? [shown] : [verdict(said("no entities")), shown];
}

export function about({ kind, label_names: labels }) {
  return [said(kind), count(labels.length, "label")];
}
