// The Markdown of a model card as elements: headings, lists, tables, fenced and inline code. All text stays text.

import { element } from "./elements.js";

/** Gives the card's blocks as elements. */
export function showCard(markdown) {
  const blocks = [];
  const lines = markdown.split("\n");
  while (lines.length) {
    const line = lines.shift();
    if (line.startsWith("```")) blocks.push(fenced(lines));
    else if (line.startsWith("#")) blocks.push(heading(line));
    else if (line.startsWith("- ")) blocks.push(list([line, ...takeWhile(lines, (it) => it.startsWith("- "))]));
    else if (line.startsWith("|")) blocks.push(table([line, ...takeWhile(lines, (it) => it.startsWith("|"))]));
    else if (line.trim()) blocks.push(element("p", {}, ...inline([line, ...takeWhile(lines, isPlain)].join(" "))));
  }
  return blocks;
}

function isPlain(line) {
  return line.trim() && !/^(```|#|- |\|)/.test(line);
}

function takeWhile(lines, fits) {
  const taken = [];
  while (lines.length && fits(lines[0])) taken.push(lines.shift());
  return taken;
}

function fenced(lines) {
  const code = takeWhile(lines, (it) => !it.startsWith("```"));
  lines.shift();
  return element("pre", { tabindex: "0" }, code.join("\n"));
}

function heading(line) {
  const [marks] = line.match(/^#+/);
  return element(marks.length === 1 ? "h3" : "h4", {}, ...inline(line.slice(marks.length).trim()));
}

function list(lines) {
  return element("ul", {}, ...lines.map((line) => element("li", {}, ...inline(line.slice(2)))));
}

function table([head, , ...rows]) {
  const row = (line, cell) => element("tr", {}, ...cells(line).map((text) => element(cell, {}, ...inline(text))));
  return element("table", {}, element("thead", {}, row(head, "th")), element("tbody", {}, ...rows.map((it) => row(it, "td"))));
}

function cells(line) {
  return line.split("|").slice(1, -1).map((it) => it.trim());
}

function inline(text) {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}
