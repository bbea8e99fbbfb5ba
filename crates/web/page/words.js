// Formats numbers, times, reasons and signatures for people.

const number = new Intl.NumberFormat("en");

/** 1,234,567 */
export const count = (value) => number.format(Math.round(value ?? 0));

/** 1.2M, for where there is little room. */
export const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format;

/** 97 %, of what may be nothing; no line breaks within it. */
export function percent(part, whole) {
  if (!whole || !part) return "0\u00a0%";
  const share = (part / whole) * 100;
  if (part >= whole) return "100\u00a0%";
  if (share > 99.9) return "over 99.9\u00a0%";
  if (share < 0.1) return "under 0.1\u00a0%";
  return `${share < 10 || share > 99 ? share.toFixed(1) : share.toFixed(0)}\u00a0%`;
}

/** 03:04:05, of Unix ms. */
export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

/** 2026-11-30 03:04:05 */
export const moment = (ms) => `${new Date(ms).toLocaleDateString("sv-SE")} ${clock(ms)}`;

/** 1 h 5 min, of seconds. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes, rest] = [86400, 3600, 60, 1].map((unit, at) => {
    const within = [Infinity, 86400, 3600, 60][at];
    return Math.floor((within === Infinity ? whole : whole % within) / unit);
  });
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${rest} s`;
  return `${rest} s`;
}

/** What is dropped, in the words of who asks what stops an attack. */
const STOPS = {
  signature: "Packets with its fingerprint dropped",
  blocked: "Sources on the blocklist dropped",
  banned: "Banned sources dropped",
  unsolicited: "Answers that nobody asked for dropped",
  "out-of-state": "Packets of no connection dropped",
  fruitless: "New connections of sources whose connections come to nothing refused",
  "new-name": "Questions for new names dropped",
  lockdown: "All but known clients dropped, as the service is closed",
  malformed: "Malformed packets dropped",
  fragment: "Stray fragments dropped",
};

export const stops = (name) => STOPS[name] ?? "What is over a limit dropped";

/** 1 wave, 2 waves. */
export const waves = (number) => (number === 1 ? "1 wave" : `${number} waves`);

/** The service that what no other names is for. */
export const service = (name) => (name === "default" ? "this host" : name);

const FORMS = { none: "to a port where nothing listens", offered: "to a port where something listens" };
const ODD = {
  "stray-ack": "an acknowledgement number without ACK",
  "zero-ack": "ACK of number 0",
  "stray-urg": "an urgent pointer without URG",
  "zero-seq": "sequence number 0",
  "same-port": "both ports the same",
  "no-checksum": "no checksum",
  "zero-port": "port 0",
  reserved: "reserved bits set",
};
const named = (value, words) => value.split("+").map((word) => words[word] ?? `odd: ${word}`).join(" and ");

const TERMS = {
  flags: (value) => `flags ${value.replaceAll("+", " ").toUpperCase()}`,
  dport: (value) => `to port ${value}`,
  sport: (value) => `from port ${value}`,
  ttl: (value) => `TTL ${value}`,
  len: (value) => `${value} bytes long`,
  window: (value) => `window ${value}`,
  mss: (value) => (value === "0" ? "no segment size" : `segment size ${value}`),
  options: (value) => (value === "0x0000" ? "no TCP options" : `first TCP options ${value}`),
  header: (value) => `TCP header of ${value.replace(/\d+/g, (words) => String(Number(words) * 4))} bytes`,
  data: (value) => `${value} bytes of data`,
  odd: (value) => (value === "none" ? "nothing odd in its header" : named(value, ODD)),
  form: (value) => (FORMS[value] ? FORMS[value] : `form ${value}`),
  service: (value) => `for service ${value}`,
  proto: (value) => `protocol ${value}`,
};

/** A signature in words: `tcp flags=syn dport=80` is "TCP, flags SYN, to port 80". */
export function signature(text) {
  const said = [];
  const terms = text.split(" ").filter(Boolean);
  for (let at = 0; at < terms.length; at += 1) {
    const [name, ...rest] = terms[at].split("=");
    if (terms[at] === "new-sources") said.push("only of sources that are not known");
    else if (terms[at] === "to" && terms[at + 1]) said.push(`for ${service(terms[(at += 1)])}`);
    else if (rest.length === 0) said.push(name.toUpperCase());
    else said.push(TERMS[name]?.(rest.join("=")) ?? terms[at]);
  }
  return said.join(", ");
}
