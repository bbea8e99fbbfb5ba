// The sources of sampled drops, and what happens to the packets of one address.

import { button, lift, list } from "./act.js";
import { get } from "./ask.js";
import { card, element, say } from "./element.js";
import { known } from "./known.js";
import { table } from "./table.js";
import { count, percent, signature } from "./words.js";

const SHOWN = 25;
/** Of fewer sampled drops it is not said whether they are forged. */
const FEW = 100;

/** The /24 of an IPv4 address, the first three groups of an IPv6 one. */
function prefix_of(address) {
  if (!address.includes(":")) return `${address.split(".").slice(0, 3).join(".")}.0/24`;
  const [head, tail] = address.split("::");
  const groups = head.split(":").filter(Boolean);
  const rest = tail === undefined ? [] : Array(8 - groups.length).fill("0");
  return `${[...groups, ...rest].slice(0, 3).join(":")}::/48`;
}

/** Sampled drops by source or prefix, those with most first. */
function shares(name_of) {
  const all = new Map();
  for (const drop of known.drops) {
    if (!drop.source) continue;
    const name = name_of(drop.source);
    const one = all.get(name) ?? { name, sampled: 0, reasons: {}, aims: {} };
    one.sampled += 1;
    one.origin ??= drop.origin;
    one.reasons[drop.reason] = (one.reasons[drop.reason] ?? 0) + 1;
    const aim = `${drop.destination} port ${drop.destination_port}`;
    one.aims[aim] = (one.aims[aim] ?? 0) + 1;
    all.set(name, one);
  }
  return [...all.values()].sort((one, other) => other.sampled - one.sampled).slice(0, SHOWN);
}

const most = (counts) => Object.entries(counts).sort((one, other) => other[1] - one[1])[0]?.[0] ?? "";

function shares_table(caption, title) {
  return table(
    caption,
    [
      { title, cell: (row) => row.name },
      { title: "Sampled", number: true, cell: (row) => count(row.sampled) },
      { title: "Network", cell: (row) => row.origin ?? "not known" },
      { title: "Share", number: true, cell: (row) => percent(row.sampled, known.drops.length) },
      { title: "Mostly dropped for", cell: (row) => most(row.reasons) },
      { title: "Mostly sent to", cell: (row) => most(row.aims) },
      { title: "Do", cell: (row) => element("span", { class: "buttons" }, why_link(row.name), button(`Block ${row.name}`, () => list("block", row.name))) },
    ],
    (row) => row.name,
    "No packet was dropped within the last minute.",
  );
}

const why_link = (name) => element("a", { href: `#/sources/${encodeURIComponent(name.split("/")[0])}` }, "Why");

export function sources(asked) {
  const input = element("input", { id: "address", name: "address", value: asked ? decodeURIComponent(asked) : "", autocomplete: "off", spellcheck: "false" });
  const submit = (event) => {
    event.preventDefault();
    location.hash = `#/sources/${encodeURIComponent(input.value.trim())}`;
  };
  const form = element("form", { class: "row", onsubmit: submit }, element("label", { for: "address" }, "An address", input), element("button", {}, "What becomes of its packets?"));
  const answer = element("div", { "aria-live": "polite" });
  const many = element("p", { class: "dim" });
  const [by_source, by_prefix] = [shares_table("By source, in the last minute", "Source"), shares_table("By prefix, in the last minute", "Prefix")];
  const node = element("div", {}, element("h1", {}, "Sources"), card("Ask about one", form, answer), element("section", { class: "card" }, many, by_prefix.node), element("section", { class: "card" }, by_source.node));
  if (asked) why(decodeURIComponent(asked), answer);
  const show = () => {
    const sources = new Set(known.drops.map((drop) => drop.source)).size;
    const forged = known.drops.length > FEW && sources > known.drops.length * 0.9;
    const words = forged ? "Next to none of them came twice, so they are forged: to block them is of no use." : "Addresses may be forged: they then tell nothing of who sends.";
    const unknown = known.drops.length === 0 || known.drops.some((drop) => drop.origin) ? "" : " Networks are told of where the configuration names a database of them ([origin]).";
    say(many, `${count(known.drops.length)} sampled drops of ${count(sources)} sources. ${words}${unknown}`);
    by_prefix.show(shares(prefix_of));
    by_source.show(shares((address) => address));
  };
  return { node, show };
}

async function why(address, node) {
  try {
    const said = await get("/v1/why", { address });
    const again = () => why(address, node);
    const doing = [button("Block it", () => list("block", address), again), button("Allow it", () => list("allow", address), again)];
    for (const ban of said.bans) doing.push(button(`Lift the ban of ${ban.prefix}`, () => lift(ban.prefix), again));
    const { asn, name, country } = said.source.origin ?? {};
    const origin = [asn && `AS${asn}${name ? ` ${name}` : ""}`, country].filter(Boolean).join(", ");
    const lines = [
      ...(origin ? [`Its address is of ${origin}.`] : []),
      said.lists.why,
      ...said.spared,
      ...said.bans.map((ban) => `Banned: ${ban.prefix}, ${ban.because}.`),
      ...said.signatures.filter((one) => one.may_match).map((one) => `Signature ${one.number} may match its packets: ${signature(one.text)}.`),
    ];
    node.replaceChildren(element("p", { class: "big" }, said.verdict), ...lines.map((text) => element("p", {}, text)), element("p", { class: "buttons" }, ...doing));
  } catch (error) {
    node.replaceChildren(element("p", { class: "loud" }, error.message));
  }
}
