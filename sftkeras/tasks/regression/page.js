// Regression on the server's page: the number.

import { verdict } from "/page/elements.js";

export const chinese = { "regression": "回归" };

export const fits = ({ value }) => typeof value === "number";

export function show({ value }) {
  return [verdict(value.toLocaleString("en", { maximumSignificantDigits: 7 }))];
}
