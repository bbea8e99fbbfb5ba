// The rules in force, and what they have done.

import { element } from "./element.js";
import { known } from "./known.js";
import { table } from "./table.js";
import { count, service } from "./words.js";

const STATES = { enforce: "enforced", monitor: "only counts", waiting: "waits for its condition", ceiling: "beyond its ceiling, only counts" };

export function rules() {
  const list = table(
    "By service, in the order in which they are asked",
    [
      { title: "Service", cell: (row) => service(row.service) },
      { title: "Rule", cell: (row) => row.rule },
      { title: "What it says", cell: (row) => row.text },
      { title: "State", cell: (row) => STATES[row.state] ?? row.state },
      { title: "Over the rate", number: true, cell: (row) => count(row.packets) },
      { title: "Bans", number: true, cell: (row) => count(row.bans) },
    ],
    (row) => `${row.service}/${row.rule}`,
    "There are none.",
  );
  const how = element("p", { class: "dim" }, "They are changed on the command line: ", element("code", {}, "floodwall limit set"), ", or in the configuration.");
  const node = element("div", {}, element("h1", {}, "Rules"), element("section", { class: "card" }, how, list.node));
  return { node, show: () => list.show((known.overview?.rules ?? []).filter((row) => row.in_use)) };
}
