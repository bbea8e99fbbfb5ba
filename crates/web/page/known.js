// What the daemon has reported so far, and what follows from it.

import { count, percent, service, signature, stops, waves } from "./words.js";

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

/** The state in large type at the top of the page. */
export function judge() {
  const { overview, trouble } = known;
  if (trouble) return { kind: "trouble", title: "No answer", text: trouble };
  if (!overview) return { kind: "waits", title: "Asking", text: "" };
  if (overview.bypass.seconds !== null && overview.bypass.seconds !== undefined) {
    return { kind: "open", title: "Not filtering", text: `Everything passes for another ${count(overview.bypass.seconds)} s.` };
  }
  const attacked = overview.signatures.attack;
  const open = incident();
  const { all, dropped } = now();
  const figures = `${count(all)} packets/s come, ${count(dropped)} of them are dropped (${percent(dropped, all)}), ${count(all - dropped)} pass.`;
  if (attacked) {
    const hurts = open?.severity === "critical" || overview.status.problems.length > 0;
    const title = hurts ? "Attacked, and hurting" : "Attacked, and holding";
    return { kind: hurts ? "hurting" : "holding", title, text: figures };
  }
  if (overview.status.problems.length > 0) {
    return { kind: "hurting", title: "Not all is filtered", text: overview.status.problems.join("; ") };
  }
  const observes = overview.status.observe ? " floodwall only counts what it would drop (observe)." : "";
  const after = open ? " The last attack has ended; another wave may follow." : "";
  return { kind: "peace", title: "Peace", text: figures + observes + after };
}

/** What is attacked, by what, and what stops it: each with a headline and details. */
export function answers() {
  const { overview } = known;
  const open = incident();
  const { by } = now();
  const names = overview.signatures.attacked.map(service);
  const targets = (open?.destinations ?? []).slice(0, 3).map((one) => one.prefix.replace(/\/(32|128)$/, ""));
  const what = { title: "What is attacked", big: names.join(", ") || "Nothing", lines: [] };
  if (targets.length) what.lines.push(`Most of it is for ${targets.join(", ")}.`);
  const vectors = open?.vectors ?? [];
  const how = { title: "By what", big: vectors.map((one) => one.words).join(", ") || "Nothing", lines: [] };
  if (open) {
    const { traffic, sources } = open;
    how.lines.push(`At most ${count(traffic.peak_packets)} packets/s so far, in ${waves(open.waves.length)}.`);
    if (vectors.some((one) => one.spoofed)) how.lines.push("Its sources are forged: next to none of them came twice.");
    else if (sources.sources) how.lines.push(`At least ${count(sources.sources)} sources in a sample of ${count(sources.sampled)} packets.`);
  }
  const enforced = overview.signatures.signatures.filter((one) => one.enforced && known.hits[one.number] > 0);
  const ends = { title: "What stops it", big: overview.signatures.attack ? "Nothing yet" : "Nothing needs to", lines: [] };
  const [first, ...others] = by.slice(0, 3);
  if (first) ends.big = `${stops(first[0])}: ${count(first[1])}/s`;
  for (const [name, rate] of others) ends.lines.push(`${stops(name)}: ${count(rate)}/s.`);
  for (const one of enforced.slice(0, 2)) ends.lines.push(`Signature ${one.number}: ${signature(one.text)}.`);
  return [what, how, ends];
}
