// Masked language modelling on the server's page: likely tokens at each mask. In a text without any, tokens were masked,
// which says how well the model knows it.

import { bar, element, isNumbers, sameLength, verdict } from "/page/elements.js";
import { said } from "/page/words.js";

export const chinese = {
  "masked_lm": "掩码语言模型",
  "masked:": "遮住的是：",
  "nothing is masked": "没有遮住的词元",
  "perplexity {}": "困惑度 {}",
};

export const fits = ({ token, hidden, loss }) => isNumbers(loss) && sameLength(token, loss) && sameLength(hidden, loss);

export function show({ token, probability, hidden, loss }) {
  const places = token.map((_, place) => place).filter((place) => token[place].some((it) => it));
  const losses = loss.filter((_, place) => hidden[place]);
  const perplexity = Math.exp(losses.reduce((sum, it) => sum + it, 0) / losses.length);
  const shown = places.map((place) => {
    const rows = token[place].map((it, rank) => bar(it, probability[place][rank], it === hidden[place]));
    const about = hidden[place] ? [`${said("masked:")} `, element("b", { dir: "auto" }, hidden[place])] : [];
    return element("li", {}, ...about, element("ul", { class: "bars" }, ...rows));
  });
  const list = element("ol", { class: "masks" }, ...shown);
  if (!places.length) return [verdict(said("nothing is masked"))];
  return losses.length ? [verdict(said("perplexity {}", perplexity.toPrecision(3))), list] : [list];
}
