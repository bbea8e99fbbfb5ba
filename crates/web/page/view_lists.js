// The blocklist, the allowlist, and the bans.

import { SPANS, confirmed, keep, lift, list, unlist, button } from "./act.js";
import { get } from "./ask.js";
import { card, element, say } from "./element.js";
import { table } from "./table.js";
import { count, moment } from "./words.js";

const PAGE = 100;

/** A list that is turned page by page. */
function paged(path, caption, columns, none) {
  const shown = table(caption, columns, (row) => row.prefix, none);
  const total = element("p", { class: "dim" });
  const next = element("button", { type: "button" }, "Next page");
  const first = element("button", { type: "button" }, "First page");
  const look = async (after) => {
    const page = await get(path, after ? { limit: PAGE, after } : { limit: PAGE });
    say(total, `${count(page.total)} in all${page.total > PAGE ? `, ${PAGE} a page` : ""}.`);
    shown.show(page.entries);
    next.hidden = !page.next;
    first.hidden = !after;
    next.onclick = () => look(page.next);
    first.onclick = () => look();
  };
  look();
  return { node: element("div", {}, total, shown.node, element("p", { class: "buttons" }, first, next)), look };
}

function entries(name) {
  let page;
  const again = () => page.look();
  page = paged(
    `/v1/${name}`,
    name === "block" ? "Blocklist: sources that are dropped" : "Allowlist: sources that always pass",
    [
      { title: "Prefix", cell: (row) => row.prefix },
      { title: "Packets", number: true, cell: (row) => count(row.hits) },
      { title: "From", cell: (row) => (row.import ? `import ${row.import}` : "by hand") },
      { title: "Until", cell: (row) => (row.expires ? moment(row.expires * 1000) : "for ever") },
      { title: "Note", cell: (row) => row.note ?? "" },
      { title: "Do", cell: (row) => button(`Remove ${row.prefix}`, () => unlist(name, row.prefix), again) },
    ],
    "It is empty.",
  );
  const input = element("input", { id: `${name}-prefix`, placeholder: "203.0.113.0/24", autocomplete: "off", spellcheck: "false", required: true });
  const choice = element("select", { id: `${name}-span` }, ...SPANS.map(([word, , words]) => element("option", { value: word, selected: word === "1h" }, words)));
  const submit = async (event) => {
    event.preventDefault();
    const act = list(name, input.value.trim(), SPANS.find(([word]) => word === choice.value));
    if (await confirmed(act)) again();
  };
  const form = element(
    "form",
    { class: "row", onsubmit: submit },
    element("label", { for: `${name}-prefix` }, "Address or prefix", input),
    element("label", { for: `${name}-span` }, "For", choice),
    element("button", {}, name === "block" ? "Block" : "Allow"),
  );
  return card(name === "block" ? "Blocklist" : "Allowlist", form, page.node);
}

export function lists() {
  let bans;
  const again = () => bans.look();
  bans = paged(
    "/v1/ban",
    "Bans in force",
    [
      { title: "Who", cell: (row) => row.prefix },
      { title: "For", cell: (row) => row.rule ?? "a rule" },
      { title: "Until", cell: (row) => moment(row.until * 1000) },
      { title: "Times", number: true, cell: (row) => count(row.count) },
      { title: "Packets", number: true, cell: (row) => count(row.hits) },
      {
        title: "Do",
        cell: (row) => element("span", { class: "buttons" }, button(`Lift ${row.prefix}`, () => lift(row.prefix), again), button(`Keep ${row.prefix}`, () => keep(row.prefix), again)),
      },
    ],
    "Nobody is banned.",
  );
  const node = element("div", {}, element("h1", {}, "Lists"), entries("block"), entries("allow"), card("Bans", bans.node));
  return { node, show: () => {} };
}
