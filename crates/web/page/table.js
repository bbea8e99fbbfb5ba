// A table that reuses its rows when values change, so that a focused button keeps the focus.

import { element, say } from "./element.js";

/**
 * @template Row
 * @param {string} caption
 * @param {{ title: string, number?: boolean, cell: (row: Row) => string | Node }[]} columns a cell that is an element is made
 *   once for each row, text is said anew
 * @param {(row: Row) => string} key
 * @param {string} none what is said of no rows
 */
export function table(caption, columns, key, none) {
  const body = element("tbody");
  const kind = (column) => (column.number ? "number" : undefined);
  const head = element("tr", {}, ...columns.map((column) => element("th", { scope: "col", class: kind(column) }, column.title)));
  const empty = element("p", { class: "dim" }, none);
  const whole = element("table", {}, element("caption", {}, caption), element("thead", {}, head), body);
  // Makes it scrollable by keyboard.
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, whole);
  const node = element("div", {}, scroll, empty);
  /** @type {Map<string, HTMLElement>} */
  let there = new Map();

  /** @param {Row[]} rows */
  function show(rows) {
    const now = new Map();
    rows.forEach((row, at) => {
      const name = key(row);
      let line = there.get(name);
      if (line) {
        columns.forEach((column, place) => {
          const cell = column.cell(row);
          if (typeof cell === "string") say(line.children[place], cell);
        });
      } else {
        line = element("tr", {}, ...columns.map((column) => element("td", { class: kind(column) }, column.cell(row))));
      }
      now.set(name, line);
      if (body.children[at] !== line) body.insertBefore(line, body.children[at] ?? null);
    });
    for (const [name, line] of there) if (!now.has(name)) line.remove();
    there = now;
    empty.hidden = rows.length > 0;
    scroll.hidden = rows.length === 0;
  }

  show([]);
  return { node, show };
}
