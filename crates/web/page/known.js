// What the daemon has reported so far, and what follows from it.

import { clock, count, percent, service, signature, span, stops, waves } from "./words.js";

/** How far back the chart reaches, s. */
const SECONDS = 900;
/** How long sampled drops are kept, s. */
const SAMPLED = 60;
const EVENTS = 200;

export const known = {
  /** @type {any} the latest overview; null before the first one */
  overview: null,
  /** @type {string | null} why the daemon does not answer */
  trouble: null,
  /** @type {{ time: number, reasons: Record<string, number> }[]} packets/s by reason; `time` in seconds */
  history: [],
  /** @type {any[]} sampled drops of the last minute */
  drops: [],
  /** @type {{ time_ms: number, kind: string, severity: string, text: string }[]} the latest first */
  happened: [],
  /** @type {Record<number, number>} packets/s that signatures hit, by their numbers */
  hits: {},
  /** @type {Record<string, { packets: number, dropped: number }>} packets/s of services */
  services: {},
};

/** Handles an event of the stream. */
export function take(name, said) {
  if (name === "overview") look(said);
  if (name === "trouble") known.trouble = said?.message ?? "floodwall cannot say how it stands";
  if (name === "drops") {
    const oldest = Date.now() - SAMPLED * 1000;
    known.drops = known.drops.concat(said).filter((drop) => drop.time_ms > oldest);
  }
  if (name === "happened") known.happened = [said, ...known.happened].slice(0, EVENTS);
}

function look(overview) {
  const before = known.overview;
  known.overview = overview;
  known.trouble = null;
  if (!before || before.status.pid !== overview.status.pid) return;
  const seconds = (overview.time_ms - before.time_ms) / 1000;
  if (seconds <= 0) return;
  const rate = (now, then) => Math.max(0, (now - (then ?? now)) / seconds);
  const by = (list, name) => Object.fromEntries(list.map((one) => [one[name], one]));
  const counters = by(before.status.counters, "reason");
  const reasons = {};
  for (const one of overview.status.counters) reasons[one.reason] = rate(one.packets, counters[one.reason]?.packets);
  known.history.push({ time: overview.time_ms / 1000, reasons });
  known.history = known.history.filter((point) => point.time > overview.time_ms / 1000 - SECONDS);
  const signatures = by(before.signatures.signatures, "number");
  known.hits = {};
  for (const one of overview.signatures.signatures) known.hits[one.number] = rate(one.packets, signatures[one.number]?.packets);
  const services = by(before.services, "service");
  known.services = {};
  for (const one of overview.services) {
    const then = services[one.service];
    known.services[one.service] = { packets: rate(one.packets, then?.packets), dropped: rate(one.dropped, then?.dropped) };
  }
}

/** Adds the rates of an incident from before the page was opened. */
export function seen_before(series) {
  const first = known.history[0]?.time ?? Date.now() / 1000;
  const points = series
    .filter((second) => second.time < first && second.time > first - SECONDS)
    .map((second) => {
      const reasons = Object.fromEntries(Object.entries(second.reasons).map(([name, packets]) => [name, packets / second.span]));
      return { time: second.time, reasons };
    });
  known.history = [...points, ...known.history];
}

/** Whether a reason drops packets. */
export function drops(name) {
  const counter = known.overview?.status.counters.find((one) => one.reason === name);
  return counter?.verdict === "drop";
}

/** The latest rates in packets/s: all, dropped, and dropped by reason, the highest first. */
export function now() {
  const reasons = known.history.at(-1)?.reasons ?? {};
  const list = Object.entries(reasons).filter(([, rate]) => rate > 0);
  const dropped = list.filter(([name]) => drops(name)).sort((one, other) => other[1] - one[1]);
  const sum = (some) => some.reduce((all, [, rate]) => all + rate, 0);
  return { all: sum(list), dropped: sum(dropped), by: dropped };
}

/** The open incident, if there is one. */
export function incident() {
  return known.overview?.incidents.find((one) => one.phase !== "resolved") ?? null;
}

/** The state in large type at the top of the page, the figures, and why it is so. */
export function judge() {
  const { overview, trouble } = known;
  if (trouble) return { kind: "trouble", title: "No answer", text: trouble, why: "" };
  if (!overview) return { kind: "waits", title: "Asking", text: "", why: "" };
  const { state, title, because } = overview.standing;
  const { all, dropped } = now();
  const is_known = known.history.length > 0;
  const text = !is_known ? "" : `${count(all)} packets/s come, ${count(dropped)} of them are dropped (${percent(dropped, all)}), ${count(all - dropped)} pass.`;
  return { kind: state, title, text, why: because.join(" ") };
}

/** What is attacked, by what, and what stops it: each with a headline and details. */
export function answers() {
  const open = incident();
  const is_over = open !== null && !known.overview.signatures.attack && open.waves.at(-1)?.ended_ms != null;
  return [what(open, is_over), how(open, is_over), is_over ? what_stopped(open) : what_stops(open)];
}

function what(open, is_over) {
  const { attacked } = known.overview.signatures;
  const names = is_over ? open.services.map((one) => one.service) : attacked;
  const lines = [];
  const targets = (open?.destinations ?? []).slice(0, 3).map((one) => one.prefix.replace(/\/(32|128)$/, ""));
  if (targets.length) lines.push(`Most of it ${is_over ? "was" : "is"} for ${targets.join(", ")}.`);
  if (open && !is_over) lines.push(`It began ${span((known.overview.time_ms - open.began_ms) / 1000)} ago.`);
  if (is_over) lines.push(`It began at ${clock(open.began_ms)}, and was over at ${clock(quiet_since(open))}.`);
  return { title: is_over ? "What was attacked" : "What is attacked", big: names.map(service).join(", ") || "Nothing", lines };
}

function how(open, is_over) {
  const said = { title: is_over ? "What it was" : "By what", big: "Nothing", lines: [] };
  if (!open) return said;
  const { vectors, traffic, sources } = open;
  said.big = vectors.map((one) => one.words).join(", ") || "Not known yet";
  said.lines.push(`At most ${count(traffic.peak_packets)} packets/s, in ${waves(open.waves.length)}.`);
  if (vectors.some((one) => one.spoofed)) said.lines.push("Its sources are forged: next to none of them came twice.");
  else if (sources.sources) said.lines.push(`At least ${count(sources.sources)} sources in a sample of ${count(sources.sampled)} packets.`, ...networks(sources));
  return said;
}

const ENFORCE = "have floodwall drop what it finds (floodwall setup enforce says what that would be, and does so).";
const close = (service) => `close the service to all but known clients (floodwall lockdown on ${service}), or ask the provider.`;

function what_stops(open) {
  const { signatures, standing, status } = known.overview;
  const [first, ...others] = now().by.slice(0, 3);
  const dropped = ([name, rate]) => `${stops(name)}: ${count(rate)}/s`;
  const none = known.history.length ? "Nothing yet" : "Being looked at";
  const said = { title: "What stops it", big: signatures.attack ? none : "Nothing needs to", lines: [] };
  if (standing.state === "unstopped") {
    said.lines.push(`What a person can do: ${status.observe ? ENFORCE : close(signatures.attacked[0] ?? "SERVICE")}`);
    others.unshift(...(first ? [first] : []));
  } else if (first) said.big = dropped(first);
  for (const one of others) said.lines.push(`${dropped(one)}.`);
  const enforced = signatures.signatures.filter((one) => one.enforced && known.hits[one.number] > 0);
  for (const one of enforced.slice(0, 2)) said.lines.push(`Signature ${one.number}: ${signature(one.text)}.`);
  if (signatures.attack && open) said.lines.push(...harm(open));
  return said;
}

function what_stopped(open) {
  const { traffic, warnings } = open;
  const list = Object.entries(traffic.reasons).filter(([name]) => drops(name));
  const [first] = list.sort((one, other) => other[1] - one[1]);
  const big = first ? `${stops(first[0])}: ${count(first[1])} in all` : "Nothing did";
  const lines = [`${percent(traffic.dropped, traffic.packets)} of what came meanwhile was dropped.`, ...harm(open), ...warnings];
  return { title: "What stopped it", big, lines };
}

/** When the last wave of an incident was over, Unix ms. */
export const quiet_since = (incident) => incident.waves.at(-1)?.ended_ms ?? incident.seen_ms;

/** What was dropped of customers, as far as it is known. */
export function harm({ harm: { share, high } }) {
  if (typeof share !== "number") return ["Whether it hurts customers is not known: too few of them were seen."];
  return [`Of what customers send ${percent(share, 1)} was dropped, ${percent(high, 1)} at most.`];
}

/** The networks that most of the sampled packets claim to come from, where a database tells. */
export function networks({ networks: all = [], sampled }) {
  const most = all.filter((one) => one.dropped > 0).slice(0, 5);
  if (!most.length) return [];
  const told = most.map((one) => `AS${one.asn}${one.name ? ` ${one.name}` : ""} (${percent(one.dropped, sampled)})`);
  return [`Networks that it claims to come from: ${told.join(", ")}.`];
}
