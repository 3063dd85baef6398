// The words of the page, in English or Chinese: the language that was chosen, else the browser's. What the code says is
// English; `chinese.js` and the tasks' views have the Chinese of it. Texts of models and of the server stay as they are.

import { CHINESE } from "./chinese.js";

const KEY = "language"; // in the browser's storage
const LANGUAGES = { en: "English", zh: "中文" };

const known = new Map(Object.entries(CHINESE));

export const language = chosen() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

/** Words in the page's language; each {} is one of the values. A word that has no Chinese stays English. */
export function said(english, ...values) {
  const words = (language === "zh" && known.get(english)) || english;
  return words.replaceAll("{}", () => values.shift());
}

/** Adds the Chinese of words, such as those of a task's view. */
export function learn(chinese) {
  for (const [english, words] of Object.entries(chinese ?? {})) known.set(english, words);
}

/** Puts the words of the document, and of the attributes that are read out, in the page's language. */
export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = said(document.title);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    if (text) walker.currentNode.data = walker.currentNode.data.replace(text, () => said(text));
  }
  for (const one of document.querySelectorAll("[aria-label]")) one.setAttribute("aria-label", said(one.getAttribute("aria-label")));
}

/** Makes a button switch to the other language. The page begins anew, so a conversation ends. */
export function offerOther(button) {
  const other = language === "zh" ? "en" : "zh";
  button.textContent = LANGUAGES[other];
  button.lang = other === "zh" ? "zh-CN" : "en";
  button.addEventListener("click", () => {
    try {
      localStorage.setItem(KEY, other);
    } catch {
      return; // a browser that stores nothing keeps its own language
    }
    location.reload();
  });
}

function chosen() {
  try {
    const stored = localStorage.getItem(KEY);
    return stored in LANGUAGES ? stored : null;
  } catch {
    return null;
  }
}
