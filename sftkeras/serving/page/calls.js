// The same calls from elsewhere, as programs to copy: for the shell, and for Python.

import { access } from "./server.js";

/** A prediction: `path` is that of the model, `sent` the body. */
export function predictCalls(path, sent) {
  const url = location.origin + path;
  return { curl: curl(url, JSON.stringify(sent)), python: requestsCall(url, sent) };
}

/** A chat: `sent` is the body. */
export function chatCalls(path, sent) {
  const { messages, ...options } = sent;
  const told = messages.map((it) => `\n  ${JSON.stringify(it)}`).join(",");
  const body = `${JSON.stringify(options).slice(0, -1)}, "messages": [${told}\n]}`;
  return { curl: curl(location.origin + path, body), python: openaiCall(sent) };
}

function curl(url, sent) {
  const token = access.token ? ' \\\n  -H "Authorization: Bearer $TOKEN"' : "";
  return `curl ${quoted(url)} \\\n  -d ${quoted(sent)}${token}`;
}

/** A text as a word of the shell. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function requestsCall(url, sent) {
  const lines = ["response = requests.post(", `    ${literal(url)},`, `    json=${literal(sent)},`];
  if (access.token) lines.push('    headers={"Authorization": "Bearer " + os.environ["TOKEN"]},');
  lines.push("    timeout=30,", ")", "response.raise_for_status()", "print(response.json())");
  return `${access.token ? "import os\n\n" : ""}import requests\n\n${lines.join("\n")}`;
}

// Arguments that OpenAI's API has not: its client passes them on as they are.
const EXTRA = ["top_k", "min_p", "repetition_penalty"];

function openaiCall({ messages, ...given }) {
  const options = Object.entries(given).filter(([name]) => !EXTRA.includes(name));
  const extra = Object.entries(given).filter(([name]) => EXTRA.includes(name));
  const lines = [
    `client = OpenAI(base_url=${literal(`${location.origin}/v1`)}, api_key=${access.token ? 'os.environ["TOKEN"]' : '"none"'})`,
    "answer = client.chat.completions.create(",
    ...options.map(([name, value]) => `    ${name}=${literal(value)},`),
    "    messages=[",
    ...messages.map((it) => `        ${literal(it)},`),
    "    ],",
  ];
  if (extra.length) lines.push(`    extra_body=${literal(Object.fromEntries(extra))},`);
  lines.push(")", "print(answer.choices[0].message.content)");
  return `${access.token ? "import os\n\n" : ""}from openai import OpenAI\n\n${lines.join("\n")}`;
}

/** A value as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map((pair) => pair.map(literal).join(": ")).join(", ")}}`;
}
