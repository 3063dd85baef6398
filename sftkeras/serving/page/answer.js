// One model's answer in a chat: its text as it comes, how it ended, how fast it was, its tokens.

import { act, copied, count, element } from "./elements.js";
import { alternatives, tokenButtons } from "./tokens.js";
import { said } from "./words.js";

const ENDS = { length: "cut off at the token limit", stopped: "stopped" };

export class Answer {
  text = "";
  problem = null;
  isWhole = false;
  #tokens = [];
  #reason = null;
  #usage = null;
  #began = performance.now();
  #first = null;
  #last = null;

  /** `title` is the model's; its text is shown by its tokens once it is whole and they have come. */
  constructor(title) {
    this.body = element("p", { class: "text", dir: "auto" });
    this.panel = element("div", { class: "alternatives", "aria-live": "polite", hidden: "" });
    this.facts = element("span", { class: "soft" });
    this.foot = element("footer", {}, this.facts);
    this.element = element("article", { class: "answer", "aria-busy": "true", "aria-label": said("Answer of {}", title) }, element("h4", {}, title), this.body, this.panel, this.foot);
  }

  /** Takes an event of the stream. */
  add({ choices: [choice], usage }) {
    this.#usage = usage ?? this.#usage;
    if (!choice) return;
    if (choice.delta.content) {
      this.#last = performance.now();
      this.#first ??= this.#last;
      this.text += choice.delta.content;
      this.body.append(choice.delta.content);
    }
    this.#tokens.push(...(choice.logprobs?.content ?? []));
    this.#reason = choice.finish_reason ?? this.#reason;
  }

  /** Ends it: as the model did, by the user's stop, or by a problem. */
  end(problem = null, isStopped = false) {
    this.isWhole = true;
    this.problem = problem;
    if (isStopped) this.#reason = "stopped";
    this.element.removeAttribute("aria-busy");
    if (this.#tokens.length) this.#showTokens();
    else if (!this.text && !problem && !isStopped) this.body.replaceWith(element("p", { class: "soft" }, said("(an empty answer)")));
    if (problem) this.panel.before(element("p", { class: "failure" }, problem));
    if (this.text) this.foot.prepend(act(said("Copy"), (event) => this.#copy(event.currentTarget)));
    this.facts.textContent = this.#said();
  }

  async #copy(button) {
    await copied(this.text);
    button.textContent = said("Copied");
    setTimeout(() => (button.textContent = said("Copy")), 1500);
  }

  #showTokens() {
    const shown = tokenButtons(this.#tokens, (unit) => {
      this.panel.hidden = !unit;
      this.panel.replaceChildren(...(unit ? alternatives(unit) : []));
      this.panel.scrollIntoView({ block: "nearest" });
    });
    this.body.replaceWith(shown);
  }

  #said() {
    const parts = [];
    const tokens = this.#usage?.completion_tokens;
    if (this.#usage) parts.push(count(tokens, "token"));
    const seconds = (this.#last - this.#first) / 1000;
    if (tokens > 1 && seconds > 0) parts.push(said("{} tokens/s", ((tokens - 1) / seconds).toFixed(1)));
    if (this.#first !== null) parts.push(said("first after {}", duration(this.#first - this.#began)));
    if (ENDS[this.#reason]) parts.push(said(ENDS[this.#reason]));
    return parts.join(" · ");
  }
}

function duration(milliseconds) {
  return milliseconds < 1000 ? said("{} ms", Math.round(milliseconds)) : said("{} s", (milliseconds / 1000).toFixed(1));
}
