// The changes that can be made from the page. Each is a command of the command line, which is shown before it is carried out.

import { send } from "./ask.js";
import { element, say } from "./element.js";

const NOTE = "from the page";

/** @typedef {{ command: string, meaning: string, method?: "POST" | "PUT", path: string, body: any }} Act */

/** Quotes a word for the shell. */
const quoted = (text) => (/^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** Lifetimes of list entries: the option's value, s, and text. `null` is for ever. */
export const SPANS = [
  ["10m", 600, "10 minutes"],
  ["1h", 3600, "an hour"],
  ["1d", 86400, "a day"],
  ["", null, "ever"],
];

/** @returns {Act} */
export function list(name, prefix, span = SPANS[1]) {
  const [word, seconds, words] = span;
  const time = word ? ` --for ${word}` : "";
  const does = name === "block" ? "is dropped" : "passes, whatever else is said of it,";
  return {
    command: `floodwall ${name} add ${quoted(prefix)}${time} --note '${NOTE}'`,
    meaning: `Everything from ${prefix} ${does} for ${words}.`,
    path: `/v1/${name}/add`,
    body: { prefixes: [prefix], seconds, note: NOTE },
  };
}

/** @returns {Act} */
export const unlist = (name, prefix) => ({
  command: `floodwall ${name} rm ${quoted(prefix)}`,
  meaning: `${prefix} is taken off the ${name}list.`,
  path: `/v1/${name}/remove`,
  body: { prefixes: [prefix] },
});

/** @returns {Act} */
export const lift = (prefix) => ({
  command: `floodwall ban lift ${quoted(prefix)}`,
  meaning: `The ban of ${prefix} ends now, and its offences are forgotten.`,
  path: "/v1/ban/lift",
  body: { prefixes: [prefix] },
});

/** @returns {Act} */
export const keep = (prefix) => ({
  command: `floodwall ban keep ${quoted(prefix)}`,
  meaning: `The ban of ${prefix} becomes an entry of the blocklist, which stays.`,
  path: "/v1/ban/keep",
  body: { prefixes: [prefix] },
});

/** @returns {Act} */
export const pin = (number) => ({
  command: `floodwall signature pin ${number}`,
  meaning: `Signature ${number} stays as it is, until it is dropped by hand.`,
  path: "/v1/signature/pin",
  body: { number },
});

/** @returns {Act} */
export const drop = (number) => ({
  command: `floodwall signature drop ${number}`,
  meaning: `Signature ${number} is taken back: what it has dropped passes.`,
  path: "/v1/signature/drop",
  body: { number },
});

/** Adds a signature. With `monitor` it only counts what it would drop. @returns {Act} */
export const deploy = (text, monitor) => ({
  command: `floodwall signature add ${quoted(text)}${monitor ? " --monitor --for 10m" : ""}`,
  meaning: monitor
    ? "For ten minutes it is counted what this signature would hit; nothing is dropped by it."
    : "Everything that this signature matches is dropped, until it is taken back.",
  path: "/v1/signature/add",
  body: monitor ? { text, monitor, seconds: 600 } : { text },
});

/** @returns {Act} */
export const bypass = (on) => ({
  command: on ? "floodwall bypass on --for 5m" : "floodwall bypass off",
  meaning: on ? "EVERY packet passes, for five minutes: nothing is filtered." : "Packets are filtered again at once.",
  method: "PUT",
  path: "/v1/bypass",
  body: { seconds: on ? 300 : null },
});

const at = (id) => document.getElementById(id);

/**
 * The dialog for one question. Each has an element of its own: the event that one was closed comes later than the closing
 * itself, when the next question may be open, and answers only the one that it is about.
 */
function new_dialog() {
  const last = at("confirm");
  const dialog = /** @type {HTMLDialogElement} */ (last.cloneNode(true));
  dialog.open = false;
  last.replaceWith(dialog);
  return dialog;
}

/** Asks for confirmation of a change and carries it out; returns whether it was done. @param {Act} act */
export async function confirmed(act) {
  const dialog = new_dialog();
  say(at("confirm-meaning"), act.meaning);
  say(at("confirm-command"), act.command);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return false;
  try {
    const answer = await send(act.method ?? "POST", act.path, act.body);
    const trial = answer?.trial?.number;
    const undone = trial ? `; it is undone again unless it is confirmed: floodwall confirm ${trial}` : "";
    say(at("said"), `Done: ${act.command}${undone}`);
    return true;
  } catch (error) {
    say(at("said"), `Nothing was done: ${error.message}`);
    return false;
  }
}

/** A button for a change. `done` is called after it was carried out. */
export function button(words, act, done = () => {}) {
  const press = async () => {
    if (await confirmed(act())) done();
  };
  return element("button", { type: "button", onclick: press }, words);
}
