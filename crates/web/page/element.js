// Creates elements without markup, so that untrusted text is never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. Of its properties, `on…` are listeners and the others attributes; false and undefined are left out.
 * @param {string} name
 * @param {Record<string, any>} properties
 * @param {...(Node | string | null | undefined)} children
 */
export function element(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** The same, of a drawing. */
export function drawn(name, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

function filled(node, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === false || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets an element's text, if it differs: what stands stays as it is, also for who has it read out. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A card with a heading. */
export function card(title, ...children) {
  return element("section", { class: "card" }, element("h2", {}, title), ...children);
}
