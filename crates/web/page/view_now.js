// The view of what is going on now.

import { bypass, confirmed } from "./act.js";
import { chart } from "./chart.js";
import { card, element, say } from "./element.js";
import { answers, drops, incident, known } from "./known.js";
import { table } from "./table.js";
import { clock, count, percent, service, span } from "./words.js";

export function now() {
  const cards = [0, 1, 2].map(() => {
    const [title, big, lines] = [element("h2"), element("p", { class: "big" }), element("div")];
    return { node: element("section", { class: "card" }, title, big, lines), title, big, lines };
  });
  const traffic = chart("Traffic by reason, packets/s");
  const services = table(
    "Services",
    [
      { title: "Service", cell: (row) => service(row.service) },
      { title: "State", cell: (row) => (row.attacked ? "attacked" : "at peace") },
      { title: "Packets/s", number: true, cell: (row) => count(known.services[row.service]?.packets) },
      { title: "Dropped/s", number: true, cell: (row) => count(known.services[row.service]?.dropped) },
      { title: "Packets in all", number: true, cell: (row) => count(row.packets) },
    ],
    (row) => row.service,
    "No packet has come for a service yet.",
  );
  const more = element("a", { href: "#/incidents" });
  const host = element("dl");
  const events = element("ol", { class: "timeline" });
  const open = element("button", { type: "button", onclick: () => confirmed(bypass(!bypassed())) });
  const node = element(
    "div",
    {},
    element("h1", {}, "Now"),
    element("div", { class: "cards" }, ...cards.map((one) => one.node)),
    element("p", { class: "more" }, more),
    card("Traffic by reason, packets/s", traffic.node),
    card("For whom it comes", services.node),
    element("div", { class: "cards" }, card("The host", host), card("Should anything go wrong", element("p", {}, "Everything can be let through for a while, at once."), open)),
    card("What happens", events),
  );
  return { node, show };

  function bypassed() {
    return typeof known.overview?.bypass.seconds === "number";
  }

  function show() {
    const { overview } = known;
    if (!overview) return;
    answers().forEach((answer, at) => {
      say(cards[at].title, answer.title);
      say(cards[at].big, answer.big);
      lines(cards[at].lines, answer.lines);
    });
    const open_incident = incident();
    more.hidden = !open_incident;
    if (open_incident) {
      more.setAttribute("href", `#/incidents/${open_incident.id}`);
      say(more, `All about it: incident ${open_incident.id}`);
    }
    traffic.show(known.history, drops, overview.incidents[0]?.waves ?? []);
    services.show(overview.services.filter((row) => row.packets > 0 || row.attacked));
    say(open, bypassed() ? "Filter again" : "Let everything pass for 5 minutes");
    facts(host, overview);
    const told = known.happened.slice(0, 12);
    const keys = told.map((event) => event.time_ms + event.text).join();
    if (events.dataset.keys !== keys) {
      events.dataset.keys = keys;
      const line = (event) =>
        element("li", { class: event.severity === "info" ? undefined : "loud" }, element("span", { class: "dim" }, clock(event.time_ms)), element("span", {}, event.text));
      const none = element("li", {}, element("span"), element("span", { class: "dim" }, "Nothing since this page was opened."));
      events.replaceChildren(...(told.length ? told.map(line) : [none]));
    }
  }
}

function lines(node, texts) {
  while (node.children.length > texts.length) node.lastChild.remove();
  while (node.children.length < texts.length) node.append(element("p"));
  texts.forEach((text, at) => say(node.children[at], text));
}

function facts(node, overview) {
  const { status } = overview;
  const said = [
    ["Interfaces", status.interfaces.map((one) => `${one.name} (${one.filtered ? one.mode : "NOT FILTERED"})`).join(", ") || "none"],
    ...(overview.health?.signals ?? []).map((one) => [one.service ? `Probe of ${one.service}` : one.signal, one.text]),
    ["Sources known", `${percent(overview.sources.used, 1)} of ${count(overview.sources.capacity)}`],
    ["Bans in force", count(overview.bans)],
    ["Up", span(status.uptime_seconds)],
    ...status.problems.map((text) => ["Problem", text]),
    ...status.warnings.map((text) => ["Warning", text]),
  ];
  const keys = JSON.stringify(said);
  if (node.dataset.keys === keys) return;
  node.dataset.keys = keys;
  node.replaceChildren(...said.flatMap(([name, text]) => [element("dt", { class: "dim" }, name), element("dd", {}, text)]));
}
