// A chat with one model, or with two side by side: turns of a question and its answers, streamed, to stop, edit and retry.

import { Answer } from "./answer.js";
import { act, element } from "./elements.js";
import { numberFields, options, showDefaults } from "./options.js";
import { events } from "./server.js";
import { said } from "./words.js";

export const PATH = "/v1/chat/completions";
const TOP = 5; // alternatives shown of each token

const at = (id) => document.getElementById(id);

// `example` is a message to begin with; `models` are {id, title} of the version that is shown and, if two are compared, of
// the other; `running` ends the answers that are being written; a turn is {question, answers, element}.
const state = { example: "", models: [], others: [], turns: [], running: null, onChange: () => {} };

/** Prepares the chat, once; `onChange` is called when the next request is another than before. */
export function startChat(onChange) {
  state.onChange = onChange;
  at("options").querySelector(".numbers").prepend(...numberFields());
  at("compose").addEventListener("submit", submit);
  at("message").addEventListener("input", grow);
  at("message").addEventListener("keydown", (event) => {
    if (isSending(event)) submit(event);
  });
  at("chat").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !isComposing(event)) state.running?.abort();
  });
  at("chat").addEventListener("input", onChange);
  at("compare").addEventListener("change", compare);
  at("fresh").addEventListener("click", () => forget(0));
  new ResizeObserver(() => at("log").style.setProperty("--composer", `${at("compose").offsetHeight + 16}px`)).observe(at("compose"));
  showButtons();
}

/** Shows the chat with a model: `facts` are the server's of it, `others` the models it may be compared with. */
export function showChat(model, facts, others, example) {
  if (model.id === state.models[1]?.id) state.models[1] = state.models[0]; // they change sides
  state.models[0] = model;
  showDefaults(at("options"), facts);
  state.example = example;
  at("message").placeholder = example || said("Write a message");
  showOthers(others);
}

/** Offers the models to compare with; one that has gone is left. */
export function showOthers(others) {
  state.others = others;
  const choices = others.map((it) => element("option", { value: it.id }, it.title));
  at("compare").replaceChildren(element("option", { value: "" }, said("no other model")), ...choices);
  at("compare").value = others.some((it) => it.id === state.models[1]?.id) ? state.models[1].id : "";
  at("comparing").hidden = !others.length;
  compare();
}

/** The body of the next request or, if nothing is typed, of the last. */
export function nextRequest() {
  const typed = at("message").value;
  const before = typed.trim() ? state.turns : state.turns.slice(0, -1);
  const question = typed.trim() ? typed : (state.turns.at(-1)?.question ?? (state.example || said("Hello!")));
  return request(0, before, question);
}

function request(side, before, question) {
  const system = at("options").elements.system.value;
  const told = before.flatMap((turn) => {
    const answer = turn.answers[side] ?? turn.answers[0];
    // What failed was never answered: the model is not told of it.
    return answer.problem ? [] : [{ role: "user", content: turn.question }, { role: "assistant", content: answer.text }];
  });
  const messages = [...(system ? [{ role: "system", content: system }] : []), ...told, { role: "user", content: question }];
  return { model: state.models[side].id, messages, ...options(at("options")) };
}

function compare() {
  state.models[1] = state.others.find((it) => it.id === at("compare").value);
  at("log").classList.toggle("two", Boolean(state.models[1]));
  state.onChange();
}

// --- turns ---

/** Enter sends, but not with Shift, on a keyboard of a touch screen, or to choose a word of an input method. */
function isSending(event) {
  return event.key === "Enter" && !event.shiftKey && !isComposing(event) && !matchMedia("(pointer: coarse)").matches;
}

/** Whether a key belongs to an input method. Safari ends the composition before this event, but gives it this code. */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

function submit(event) {
  event.preventDefault();
  if (state.running) {
    if (event.submitter) state.running.abort(); // the button is "Stop" now
    return;
  }
  const question = at("message").value;
  if (!question.trim() || !areFine()) return;
  at("message").value = "";
  grow();
  at("message").focus();
  ask(question);
}

/** Whether all settings can be sent; shows the one that cannot. */
function areFine() {
  if (at("options").checkValidity()) return true;
  at("settings").open = true;
  return at("options").reportValidity();
}

function ask(question) {
  const turn = { question, answers: [] };
  turn.element = element("section", { class: "turn" }, asked(turn), element("div", { class: "answers" }));
  state.turns.push(turn);
  at("log").append(turn.element);
  return answer(turn);
}

function asked(turn) {
  const edit = act(said("Edit"), () => showEditor(turn));
  return element("div", { class: "question" }, element("p", { class: "text", dir: "auto" }, turn.question), edit);
}

/** Has a turn answered by each model, at the same time. */
async function answer(turn) {
  const before = state.turns.slice(0, state.turns.indexOf(turn));
  const models = state.models.filter(Boolean);
  turn.answers = models.map((it) => new Answer(it.title));
  turn.element.querySelector(".answers").replaceChildren(...turn.answers.map((it) => it.element));
  const running = new AbortController();
  state.running = running;
  showButtons();
  turn.element.scrollIntoView({ block: "end" });
  await Promise.all(turn.answers.map((it, side) => write(it, request(side, before, turn.question), running.signal)));
  if (state.running === running) state.running = null;
  showButtons();
  state.onChange();
}

async function write(shown, sent, signal) {
  const tokens = at("tokens").checked ? { logprobs: true, top_logprobs: TOP } : {};
  try {
    for await (const event of events(PATH, { ...sent, ...tokens, stream: true, stream_options: { include_usage: true } }, signal)) {
      followed(() => shown.add(event));
    }
    followed(() => shown.end());
  } catch (error) {
    followed(() => (signal.aborted ? shown.end(null, true) : shown.end(error.message)));
  }
}

/** Changes the log; whoever reads its end sees its end afterwards, too. */
function followed(change) {
  const end = at("compose").getBoundingClientRect().top;
  const atEnd = at("log").getBoundingClientRect().bottom - end < 80;
  change();
  if (atEnd && state.running) at("log").lastElementChild?.scrollIntoView({ block: "end" });
}

/** Takes back turns from a place on, and stops what is being written. */
function forget(place) {
  state.running?.abort();
  state.running = null;
  for (const turn of state.turns.splice(place)) turn.element.remove();
  showButtons();
  state.onChange();
}

function showEditor(turn) {
  const area = element("textarea", { dir: "auto", "aria-label": said("Edit the message"), rows: "2" });
  area.value = turn.question;
  const form = element("form", { class: "editor" }, area, element("div", { class: "line" }, element("button", {}, said("Send again")), act(said("Cancel"), close)));
  const shown = turn.element.firstElementChild;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = area.value;
    if (!question.trim() || !areFine()) return;
    forget(state.turns.indexOf(turn));
    ask(question);
    at("message").focus();
  });
  form.addEventListener("keydown", (event) => {
    if (isSending(event)) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "Escape" && !isComposing(event)) {
      event.stopPropagation(); // it stops no answer
      close();
    }
  });
  shown.replaceWith(form);
  area.focus();

  function close() {
    form.replaceWith(shown);
    shown.querySelector("button").focus();
  }
}

function retry() {
  if (!areFine()) return;
  answer(state.turns.at(-1));
  at("message").focus();
}

// --- what is shown around them ---

function showButtons() {
  const isRunning = Boolean(state.running);
  at("say").textContent = said(isRunning ? "Stop" : "Send");
  at("say").classList.toggle("stops", isRunning);
  at("empty").hidden = state.turns.length > 0;
  at("fresh").hidden = !state.turns.length;
  at("again")?.remove();
  if (isRunning || !state.turns.length) return;
  const again = act(said("Retry"), retry);
  again.id = "again";
  state.turns.at(-1).answers.at(-1).foot.prepend(again);
}

function grow() {
  const area = at("message");
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
