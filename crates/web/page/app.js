// The page: switches between the views, and passes events to them.

import { get, listen, remember, token } from "./ask.js";
import { element, say } from "./element.js";
import { judge, known, seen_before, take } from "./known.js";
import { incidents } from "./view_incidents.js";
import { lists } from "./view_lists.js";
import { now } from "./view_now.js";
import { rules } from "./view_rules.js";
import { signatures } from "./view_signatures.js";
import { sources } from "./view_sources.js";

/** The views by their names in the address. Each creates a node and updates it. */
const VIEWS = { now, incidents, sources, signatures, lists, rules };
/** Age up to which an incident's rates are shown in the chart, s. */
const RECENT = 900;

const [main, state] = ["main", "state"].map((id) => document.getElementById(id));
const [title, text, why] = [element("strong"), element("span"), element("span", { class: "why" })];
state.append(title, text, why);
let view = null;

function turn() {
  const [, name = "now", ...rest] = location.hash.split("/");
  const make = VIEWS[name] ?? now;
  view = make(rest.join("/"));
  main.replaceChildren(view.node);
  say(document.getElementById("said"), "");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${make.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  show();
}

function show() {
  const judged = judge();
  state.className = `state ${judged.kind}`;
  say(title, judged.title);
  say(text, judged.text);
  say(why, judged.why);
  document.title = `${judged.title} · floodwall`;
  say(document.getElementById("version"), known.overview?.status.version ?? "");
  if (known.overview && view) view.show();
}

/** Fetches the rates and events from before the page was opened, which are recorded for incidents. */
async function look_back() {
  const { incidents: latest } = await get("/v1/incident", { limit: 1 });
  const [incident] = latest;
  if (!incident || incident.seen_ms < Date.now() - RECENT * 1000) return;
  const { series } = await get("/v1/incident/report", { id: incident.id, points: RECENT });
  seen_before(series);
  known.happened = known.happened.concat(incident_lines((await get("/v1/incident/report", { id: incident.id, points: 1 })).incident));
}

function incident_lines(incident) {
  return incident.timeline.map((line) => ({ ...line, severity: line.kind === "attack" ? "warning" : "info" })).reverse();
}

function begin() {
  turn();
  addEventListener("hashchange", () => {
    turn();
    main.focus();
  });
  look_back().catch(() => {});
  listen(
    (name, said) => {
      take(name, said);
      if (name !== "drops") show();
    },
    (error) => {
      known.trouble = error.message;
      if (error.status === 401) ask_for_token(error.message);
      else show();
    },
  );
}

function ask_for_token(why) {
  const input = element("input", { id: "token", type: "password", autocomplete: "off", required: true });
  const submit = (event) => {
    event.preventDefault();
    remember(input.value);
    location.reload();
  };
  state.className = "state waits";
  say(title, "Who are you?");
  say(text, why);
  const form = element("form", { class: "row", onsubmit: submit }, element("label", { for: "token" }, "Token", input), element("button", {}, "Look"));
  main.replaceChildren(element("h1", {}, "The token"), element("p", {}, "On the host, ", element("code", {}, "floodwall web url"), " says the address with the token, and ", element("code", {}, "floodwall web token"), " the token alone."), form);
}

if (token()) begin();
else ask_for_token("This page is for who may change the filter.");
