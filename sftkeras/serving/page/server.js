// Calls of the page's own server: JSON there and back, and answers that come event by event.

import { said } from "./words.js";

// What the user typed, kept until the page is closed; `onRefusal` is called when the server asks for (another) one.
export const access = { token: "", onRefusal: () => {} };

/** Calls the server; returns what it says, as an object and as it came. Throws its words if it refuses. */
export async function call(path, sent) {
  const response = await request(path, sent);
  const text = await response.text();
  return { found: readJson(text), text };
}

/** Posts an object to one of OpenAI's routes; gives the objects of the answer's events until the last. */
export async function* events(path, sent, signal) {
  const response = await request(path, JSON.stringify(sent), signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(said("The answer broke off: the connection to the server was lost."));
    const whole = (rest + value).split("\n\n");
    rest = whole.pop();
    for (const event of whole) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const found = JSON.parse(data);
      if (found.error) throw new Error(found.error.message);
      yield found;
    }
  }
}

async function request(path, sent, signal) {
  const headers = access.token ? { Authorization: `Bearer ${access.token}` } : {};
  const options = sent === undefined ? { headers, signal } : { method: "POST", body: sent, signal, headers: { "Content-Type": "application/json", ...headers } };
  const response = await fetch(path, options);
  if (response.status === 401) access.onRefusal();
  if (!response.ok) throw new Error(errorIn(await response.text()) ?? `${response.status} ${response.statusText}`);
  return response;
}

/** TensorFlow Serving's errors are strings, OpenAI's are objects. */
function errorIn(text) {
  try {
    const { error } = readJson(text);
    return error?.message ?? error;
  } catch {
    return null; // not from the model server
  }
}

/** The server writes NaN and Infinity, which JSON has not: they become strings here. */
function readJson(text) {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)/g, (it) => (it.startsWith('"') ? it : `"${it}"`)));
}
