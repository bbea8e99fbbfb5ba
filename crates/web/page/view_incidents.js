// Incidents: attacks from their first packet to their end.

import { bytes, get } from "./ask.js";
import { chart } from "./chart.js";
import { card, element, say } from "./element.js";
import { drops, harm, known, networks, quiet_since } from "./known.js";
import { table } from "./table.js";
import { clock, count, moment, percent, service, span, waves } from "./words.js";

const LIST = 50;
const POINTS = 300;
/** Seconds after which an incident that goes on is asked for again. */
const AGAIN = 3;

const words = (incident) => incident.vectors.map((one) => one.words).join(", ") || "not known yet";
const services = (incident) => incident.services.map((one) => service(one.service)).join(", ");

export function incidents(number) {
  return number ? report(Number(number)) : all();
}

function all() {
  const list = table(
    "Incidents, the latest first",
    [
      { title: "Incident", cell: (row) => element("a", { href: `#/incidents/${row.id}` }, `Incident ${row.id}`) },
      { title: "Began", cell: (row) => moment(row.began_ms) },
      { title: "State", cell: (row) => row.phase },
      { title: "What", cell: words },
      { title: "Of", cell: services },
      { title: "Waves", number: true, cell: (row) => count(row.waves.length) },
      { title: "Most packets/s", number: true, cell: (row) => count(row.traffic.peak_packets) },
    ],
    (row) => String(row.id),
    "There was no attack as far as the record goes back.",
  );
  const node = element("div", {}, element("h1", {}, "Incidents"), element("section", { class: "card" }, list.node));
  const look = async () => list.show((await get("/v1/incident", { limit: LIST })).incidents);
  look();
  return { node, show: now_and_then(look) };
}

/** Asks anew every few seconds. */
function now_and_then(look) {
  let asked = Date.now();
  return () => {
    if (Date.now() - asked < AGAIN * 1000) return;
    asked = Date.now();
    look();
  };
}

function report(id) {
  const title = element("h1", { tabindex: "-1" }, `Incident ${id}`);
  const summary = element("p", { class: "big" });
  const traffic = chart("Traffic of the incident, packets/s");
  const timeline = element("ol", { class: "timeline" });
  const more = element("div");
  const capture = element("button", { type: "button", onclick: () => save(id) }, "Save a sample of its packets (pcapng)");
  const node = element(
    "div",
    {},
    element("p", {}, element("a", { href: "#/incidents" }, "All incidents")),
    title,
    element("section", { class: "card" }, summary, capture, element("p", { class: "dim" }, "A post-mortem to pass on: "), element("pre", {}, `floodwall incident report ${id} --as html > incident-${id}.html`)),
    card("Traffic, packets/s", traffic.node),
    more,
    card("What happened", timeline),
  );
  let over = false;
  const look = async () => {
    if (over) return;
    const { incident, series } = await get("/v1/incident/report", { id, points: POINTS });
    over = incident.phase === "resolved";
    const is_quiet = incident.waves.at(-1)?.ended_ms;
    const still = is_quiet ? `, quiet since ${clock(quiet_since(incident))}; another wave may follow` : ", and goes on";
    const until = incident.ended_ms ? `, over after ${span((incident.ended_ms - incident.began_ms) / 1000)}` : still;
    say(summary, `${words(incident)} on ${services(incident)}: began ${moment(incident.began_ms)}${until}.`);
    traffic.show(
      series.map((second) => ({ time: second.time, reasons: Object.fromEntries(Object.entries(second.reasons).map(([name, packets]) => [name, packets / second.span])) })),
      drops,
      incident.waves,
    );
    more.replaceChildren(...parts(incident));
    timeline.replaceChildren(...incident.timeline.map(line));
  };
  look();
  return { node, show: now_and_then(look) };
}

function line({ time_ms, by, text, count: times }) {
  const who = typeof by === "string" ? { outside: "from outside", automatic: "floodwall" }[by] ?? by : by.operator;
  const again = times > 1 ? ` (${times} times)` : "";
  return element("li", {}, element("span", { class: "dim" }, clock(time_ms)), element("span", {}, `${text}${again} `, element("span", { class: "dim" }, who)));
}

function parts(incident) {
  const { traffic, sources } = incident;
  const vectors = incident.vectors.map((one) =>
    element("li", {}, `${one.words}${one.spoofed ? " (forged sources)" : ""}${one.sampled ? `, ${count(one.sampled)} sampled packets` : ""}`, ...one.fingerprints.map((text) => element("pre", {}, text))),
  );
  const share = `${count(traffic.dropped)} of ${count(traffic.packets)} packets were dropped (${percent(traffic.dropped, traffic.packets)}).`;
  const of = `${count(sources.sources)} sources in ${count(sources.sampled)} sampled packets; ${count(sources.once)} came once only, ${count(sources.bogons)} packets claim addresses that nobody can have.`;
  return [
    element(
      "div",
      { class: "cards" },
      card("How much, and of whom", element("p", {}, share), ...harm(incident).map((text) => element("p", {}, text)), element("p", {}, `At most ${count(traffic.peak_packets)} packets/s, in ${waves(incident.waves.length)}.`)),
      card("Whose, as far as a forgeable address tells", element("p", {}, of), element("p", {}, sources.prefixes.slice(0, 8).map((one) => one.prefix).join(", ")), ...networks(sources).map((text) => element("p", {}, text))),
      card("How the host suffered", ...(incident.strain.length ? incident.strain : [{ what: "Nothing", text: "was over its bounds" }]).map((one) => element("p", {}, `${one.what}: ${one.text}`))),
    ),
    card("What it consisted of", element("ul", {}, ...vectors)),
    ...(incident.warnings.length ? [card("What people have to know", ...incident.warnings.map((text) => element("p", { class: "loud" }, text)))] : []),
  ];
}

async function save(id) {
  const said = document.getElementById("said");
  try {
    const address = URL.createObjectURL(await bytes("/v1/incident/pcap", { id }));
    const link = element("a", { href: address, download: `incident-${id}.pcapng` });
    link.click();
    URL.revokeObjectURL(address);
    say(said, `incident-${id}.pcapng is saved.`);
  } catch (error) {
    say(said, `Nothing was saved: ${error.message}`);
  }
}
