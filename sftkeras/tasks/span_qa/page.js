// Extractive question answering on the server's page: the answer, marked in its context.

import { element, percent, sliced, verdict } from "/page/elements.js";
import { said } from "/page/words.js";

export const chinese = {
  "span_qa": "抽取式问答",
  "Question": "问题",
  "Context": "原文",
  "probability {}; of no answer: {}": "概率 {}；没有答案的概率：{}",
  "no answer": "没有答案",
};

export const titles = { text: "Question", pair: "Context" };

export const fits = ({ start, no_answer: none }) => typeof none === "number" && typeof start === "number";

/** The context is the second text that was sent; without it the answer's own characters are shown alone. */
export function show({ answer, score, start, end, no_answer: none }, texts) {
  const shares = element("p", {}, said("probability {}; of no answer: {}", percent(score), percent(none)));
  const shown = [verdict(answer || said("no answer")), shares];
  if (start < 0 || !texts?.[1]) return shown;
  const slice = sliced(texts[1]);
  const marked = element("mark", {}, slice(start, end));
  return [...shown, element("p", { class: "marked", dir: "auto" }, slice(0, start), marked, slice(end))];
}
