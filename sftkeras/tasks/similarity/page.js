// Similarity on the server's page: a vector, shortened to its first numbers.

import { element, isNumbers, verdict } from "/page/elements.js";
import { said } from "/page/words.js";

export const chinese = { "similarity": "文本相似度", "a vector of {} numbers": "{} 维向量" };

// The REST interface gives no name to an only output; the page then names it `value`.
export const fits = ({ vector, value }, texts) => Boolean(texts) && isNumbers(vector ?? value);

export function show({ vector, value }) {
  const numbers = vector ?? value;
  const first = numbers.slice(0, 8).map((it) => it.toFixed(4)).join(", ");
  const all = element("pre", { tabindex: "0" }, JSON.stringify(numbers));
  return [
    verdict(said("a vector of {} numbers", numbers.length.toLocaleString("en"))),
    element("details", {}, element("summary", {}, `${first}${numbers.length > 8 ? ", …" : ""}`), all),
  ];
}
