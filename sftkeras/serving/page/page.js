// The page at the server's root: which models there are, a box for texts, and what a model predicts for them; models that
// answer conversations have a chat instead (chat.js).
//
// Each task brings its view, a module with
//   fits(record, texts)   whether it knows such a prediction, by its names
//   show(record, texts)   the elements to show; `texts` is what was sent, null for a request in JSON
//   about(task)           optional: what is said of a model, by the settings of its task
//   titles                optional: those of the boxes, by input
//   chinese               optional: its words in Chinese, by the English ones

import { chatCalls, predictCalls } from "./calls.js";
import { showCard } from "./card.js";
import * as chat from "./chat.js";
import { copied, count, element, json } from "./elements.js";
import { access, call } from "./server.js";
import { views } from "./views.js";
import { learn, offerOther, said, translate } from "./words.js";

const REFRESH = 5000; // milliseconds between looks at the models' states

const at = (id) => document.getElementById(id);

// What the page shows: `chosen` is {name, version}, `details` are of that version, `wanted` is the version that is being
// loaded or shown, `lost` is whether the server could not be reached.
const state = { models: [], wanted: null, chosen: null, details: null, lost: false };

function tell(problem) {
  at("problem").textContent = problem;
  at("problem").hidden = !problem;
}

// --- models ---

async function refresh() {
  let models;
  try {
    ({ models } = (await call("/page/models")).found);
  } catch (error) {
    state.lost = true;
    at("summary").textContent = "";
    tell(said("The server cannot be reached: {}", error.message));
    return;
  }
  const found = state.lost || JSON.stringify(models) !== JSON.stringify(state.models);
  if (state.lost) tell("");
  state.lost = false;
  state.models = models;
  if (!found) return;
  showModels();
  await choose();
  if (chats()) chat.showOthers(otherModels());
}

function showModels() {
  const ready = state.models.flatMap(available).length;
  at("summary").textContent = said("{}, {} available", count(state.models.length, "model"), count(ready, "version"));
  const focused = document.activeElement?.getAttribute("href");
  at("models").replaceChildren(...state.models.map(modelItem));
  if (focused) document.querySelector(`nav a[href="${CSS.escape(focused)}"]`)?.focus();
}

function modelItem(model) {
  const versions = model.versions.map((it) => element("li", {}, versionLink(model, it)));
  return element("li", {}, element("span", { class: "name" }, model.name), element("ul", {}, ...versions));
}

function versionLink(model, version) {
  const word = stateWord(version);
  const link = element("a", { href: hashOf(model.name, version.version) }, said("version {}", version.version));
  link.append(element("span", { class: `state ${word}` }, said(word)));
  return link;
}

function stateWord({ state: now, error }) {
  const words = { AVAILABLE: "available", START: "waiting", LOADING: "loading", UNLOADING: "unloading" };
  return words[now] ?? (error ? "failed" : "unloaded");
}

function available(model) {
  return model.versions.filter((it) => it.state === "AVAILABLE");
}

/** The version that answers those who name none. */
function newestOf(name) {
  return available(state.models.find((it) => it.name === name))[0]?.version;
}

// --- the chosen version ---

function hashOf(name, version) {
  return `#/${encodeURIComponent(name)}/${version}`;
}

/** The version that the address names, if it is there (still). */
function fromHash() {
  const [, name, version] = location.hash.split("/").map(decodeURIComponent);
  const model = state.models.find((it) => it.name === name);
  return model?.versions.some((it) => it.version === version) ? { name, version } : null;
}

/** The newest version of the model that is shown already, else of the first that is available. */
function newest() {
  const shown = state.models.find((it) => it.name === state.chosen?.name);
  const model = shown ?? state.models.find((it) => available(it).length) ?? state.models[0];
  const version = model && (available(model)[0] ?? model.versions[0])?.version;
  return version ? { name: model.name, version } : null;
}

async function choose() {
  const wanted = fromHash() ?? newest();
  state.wanted = wanted;
  markChosen(wanted);
  if (!wanted) {
    at("model").hidden = true;
    return;
  }
  const answers = seen(wanted)?.state === "AVAILABLE";
  if (isShown(wanted) && answers && state.details) return;
  const found = answers ? await details(wanted) : null;
  if (state.wanted !== wanted) return; // another was chosen meanwhile
  const sameModel = state.chosen?.name === wanted.name;
  // Both at once: until here the boxes are those of the version that was shown, and so is what they send.
  state.chosen = wanted;
  state.details = found;
  showModel(sameModel);
}

function isShown({ name, version }) {
  return state.chosen?.name === name && state.chosen.version === version;
}

function markChosen(chosen) {
  for (const link of document.querySelectorAll("nav a")) {
    if (chosen && link.getAttribute("href") === hashOf(chosen.name, chosen.version)) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** What the list of models says of a version. */
function seen({ name, version }) {
  return state.models.find((it) => it.name === name)?.versions.find((it) => it.version === version);
}

/** Inputs, contract and card of a version; null if it has gone. */
async function details({ name, version }) {
  try {
    return (await call(`/page/models/${encodeURIComponent(name)}/versions/${version}`)).found;
  } catch {
    return null; // the list will soon say so too
  }
}

function showModel(sameModel) {
  const { name } = state.chosen;
  const card = state.details?.card;
  document.title = said("{} – model server", name);
  at("name").textContent = name;
  at("about").textContent = about();
  clearAnswer();
  for (const part of ["texts", "result"]) at(part).hidden = !state.details || chats();
  at("chat").hidden = !chats();
  at("elsewhere").hidden = !state.details;
  if (chats()) chat.showChat(modelAt(name, state.chosen.version), state.details.chat, otherModels(), sampleText("text"));
  else if (state.details) showInputs(sameModel);
  at("card").hidden = !card;
  at("card").querySelector("article").replaceChildren(...(card ? showCard(card) : []));
  at("model").hidden = false;
}

function about() {
  const parts = [said("Version {}", state.chosen.version)];
  const contract = state.details?.contract;
  if (contract) {
    const { task } = contract;
    parts.push(...(views[task.kind]?.about?.(task) ?? [said(task.kind)]));
    parts.push(said("reads up to {} tokens", contract.max_length));
  } else if (!state.details) {
    const version = seen(state.chosen);
    parts.push(said(version ? stateWord(version) : "unloaded"), ...(version?.error ? [version.error] : []));
  }
  return parts.join(" · ");
}

// --- chats ---

function chats() {
  return Boolean(state.details?.chat);
}

/** A version as OpenAI's routes name it, and as it is shown. */
function modelAt(name, version) {
  const isNewest = newestOf(name) === version;
  return { id: isNewest ? name : `${name}/versions/${version}`, title: said("{} · version {}", name, version) };
}

/** All versions that chat, but for the one that is shown. */
function otherModels() {
  const all = state.models.flatMap(({ name, versions }) => versions.filter((it) => it.chats).map(({ version }) => ({ name, version })));
  return all.filter((it) => !isShown(it)).map(({ name, version }) => modelAt(name, version));
}

// --- the texts ---

const TITLES = { text: "Text", pair: "Second text" };

/** The names of the text inputs, text before pair; null if the model takes anything but one text or more. */
function textInputs() {
  const inputs = Object.entries(state.details?.inputs ?? {});
  const areTexts = inputs.length && inputs.every(([, { dtype, shape }]) => dtype === "string" && shape?.length === 1);
  return areTexts ? inputs.map(([name]) => name).sort((one, other) => (other === "text") - (one === "text")) : null;
}

/** The view of the chosen model's task, where that is known. */
function ownView() {
  return views[state.details?.contract?.task.kind];
}

/** Makes the boxes. What was typed stays: texts for every model, a request for the same one. */
function showInputs(sameModel) {
  const typed = Object.fromEntries(areas().map((area) => [area.name, area.value]));
  const hadFocus = at("inputs").contains(document.activeElement);
  const texts = textInputs();
  const titles = { ...TITLES, ...ownView()?.titles };
  const boxes = texts
    ? texts.map((name) => box(name, said(titles[name] ?? name), typed[name] ?? "", "text"))
    : [box("body", said("Request (JSON)"), (sameModel && typed.body) || sampleBody(), "json")];
  at("hint").hidden = !texts;
  at("inputs").replaceChildren(...boxes);
  if (hadFocus) areas()[0].focus();
  showCalls();
}

/** The text that the export was tried with. */
function sampleText(name) {
  return state.details?.contract?.sample?.request.inputs?.[name]?.[0] ?? "";
}

function box(name, title, value, kind) {
  const area = element("textarea", { id: `input-${name}`, class: kind, name, rows: "3", dir: "auto", spellcheck: "false" });
  area.value = value;
  area.placeholder = sampleText(name);
  return element("div", {}, element("label", { for: area.id }, title), area);
}

function sampleBody() {
  const inputs = Object.entries(state.details?.inputs ?? {}).map(([name, it]) => [name, sampleValue(it)]);
  return JSON.stringify({ instances: [inputs.length === 1 ? inputs[0][1] : Object.fromEntries(inputs)] }, null, 2);
}

/** One row of an input, of zeros. */
function sampleValue({ dtype, shape }) {
  const zero = { string: "", bool: false }[dtype] ?? 0;
  return (shape ?? []).slice(1).reduceRight((inner, size) => Array(size ?? 1).fill(inner), zero);
}

/** To the box for what is to be sent. */
function focusBox() {
  (chats() ? at("message") : areas()[0])?.focus();
}

function areas() {
  return [...at("inputs").querySelectorAll("textarea")];
}

/** The body to send, as an object; throws if the user's own JSON is none. */
function body() {
  if (!textInputs()) return JSON.parse(areas()[0].value);
  const texts = Object.fromEntries(areas().map((area) => [area.name, area.value]));
  return { instances: [areas().length === 1 ? areas()[0].value : texts] };
}

function predictPath() {
  const { name, version } = state.chosen;
  return `/v1/models/${encodeURIComponent(name)}${newestOf(name) === version ? "" : `/versions/${version}`}:predict`;
}

async function predict(event) {
  event.preventDefault();
  if (at("send").getAttribute("aria-disabled")) return;
  at("send").setAttribute("aria-disabled", "true");
  at("result").setAttribute("aria-busy", "true");
  const called = state.chosen;
  try {
    const sent = JSON.stringify(body());
    const start = performance.now();
    const { found, text } = await call(predictPath(), sent);
    const milliseconds = performance.now() - start;
    tell("");
    if (state.chosen === called) showResult(found, text, milliseconds);
  } catch (error) {
    clearAnswer();
    tell(error.message);
  } finally {
    at("send").removeAttribute("aria-disabled");
    at("result").removeAttribute("aria-busy");
  }
}

// --- the prediction ---

function showResult(found, text, milliseconds) {
  const one = found.predictions?.length === 1 ? found.predictions[0] : (found.predictions ?? found);
  at("answer").replaceChildren(...shown(one, textInputs() ? areas().map((area) => area.value) : null));
  at("latency").textContent = said("Predicted in {} ms, there and back.", milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds));
  at("raw").hidden = false;
  at("raw").querySelector("pre").textContent = text;
}

/** Shows one prediction by its names, such as {label, probability, classes, probabilities}; a lone value has no name. */
function shown(prediction, texts) {
  const isNamed = prediction !== null && typeof prediction === "object" && !Array.isArray(prediction);
  const record = isNamed ? prediction : { value: prediction };
  const own = ownView();
  const view = [...(own ? [own] : []), ...Object.values(views)].find((it) => it.fits(record, texts));
  return view ? view.show(record, texts) : [json(prediction)];
}

function clearAnswer() {
  at("answer").replaceChildren();
  at("latency").textContent = "";
  at("raw").hidden = true;
}

// --- the same call from elsewhere ---

function showCalls() {
  let calls;
  try {
    calls = chats() ? chatCalls(chat.PATH, chat.nextRequest()) : predictCalls(predictPath(), body());
  } catch {
    return; // half-typed JSON: the last whole call stays
  }
  for (const [language, text] of Object.entries(calls)) at(language).textContent = text;
}

async function copy({ currentTarget: button }) {
  await copied(at(button.dataset.copies).textContent);
  at("copied").textContent = "";
  at("copied").textContent = said("Copied.");
}

// --- start ---

for (const view of Object.values(views)) learn(view.chinese);
translate();
offerOther(at("language"));
chat.startChat(showCalls);
at("texts").addEventListener("submit", predict);
at("inputs").addEventListener("input", showCalls);
at("inputs").addEventListener("keydown", (event) => {
  const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing && textInputs();
  if (sends) predict(event);
});
access.onRefusal = () => (at("access").hidden = false);
at("access").addEventListener("submit", (event) => {
  event.preventDefault();
  access.token = at("token").value.trim();
  at("access").hidden = true;
  refresh();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the version, it stays
  focusBox();
});
for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", copy);
addEventListener("hashchange", async () => {
  await choose();
  focusBox();
});
setInterval(() => document.hidden || refresh(), REFRESH);

await refresh();
focusBox();
