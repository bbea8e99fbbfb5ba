// Signatures of attacks, which packets they match, and a preview of new ones.

import { button, deploy, drop, pin } from "./act.js";
import { card, element, say } from "./element.js";
import { known } from "./known.js";
import { table } from "./table.js";
import { count, percent, signature, span } from "./words.js";

const does = (row) => {
  const what = row.enforced ? (row.asks ? "asks again" : "drops") : "only counts";
  return `${what}${row.pinned ? ", pinned" : ""}${row.held ? `: ${row.held}` : ""}`;
};

/** Whom it hits, as samples tell. */
const whom = (row) => {
  if (!row.sampled) return "no sampled packet yet";
  const known_share = `${percent(row.sampled_known, row.sampled)} from sources that were there in calm times`;
  const again = row.sampled_again ? `, ${percent(row.sampled_again, row.sampled)} came again and were let in` : "";
  return `of ${count(row.sampled)} sampled packets ${known_share}${again}`;
};

/** A signature as it is, and in words below. */
const told = (row) => element("div", {}, element("div", {}, signature(row.text)), element("code", {}, row.text));

export function signatures() {
  const state = element("p", { class: "dim" });
  const list = table(
    "Signatures in force",
    [
      { title: "No.", number: true, cell: (row) => String(row.number) },
      { title: "Matches", cell: told },
      { title: "Does", cell: does },
      { title: "Packets/s", number: true, cell: (row) => count(known.hits[row.number]) },
      { title: "Packets", number: true, cell: (row) => count(row.packets) },
      { title: "Whom it hits", cell: whom },
      { title: "For", cell: (row) => span(row.age_seconds) },
      {
        title: "Do",
        cell: (row) => element("span", { class: "buttons" }, button(`Pin ${row.number}`, () => pin(row.number)), button(`Drop ${row.number}`, () => drop(row.number))),
      },
    ],
    (row) => `${row.number} ${row.text}`,
    "None: nothing is dropped by its headers.",
  );
  const input = element("input", { id: "signature", size: "48", placeholder: "tcp flags=syn window=0 dport=80", autocomplete: "off", spellcheck: "false" });
  const preview = element("p", { "aria-live": "polite" });
  input.addEventListener("input", () => say(preview, input.value.trim() ? `In words: ${signature(input.value.trim())}.` : ""));
  const text = () => input.value.trim();
  const form = element(
    "form",
    { class: "row", onsubmit: (event) => event.preventDefault() },
    element("label", { for: "signature" }, "A signature", input),
    button("Preview: count for 10 minutes whom it would hit", () => deploy(text(), true)),
    button("Drop by it", () => deploy(text(), false)),
  );
  const node = element(
    "div",
    {},
    element("h1", {}, "Signatures"),
    element("section", { class: "card" }, state, list.node),
    card("One of your own", form, preview, element("p", { class: "dim" }, "A preview appears above with what it would hit, and drops nothing.")),
  );
  const show = () => {
    const { signatures: all } = known.overview ?? {};
    if (!all) return;
    const rests = all.assumed ? "assumptions of what clients send, as little is known yet of what is usual here" : `${count(all.baseline)} samples of usual packets`;
    say(state, `Before one drops, it is held against ${rests}, and tried on live traffic.`);
    list.show(all.signatures);
  };
  return { node, show };
}
