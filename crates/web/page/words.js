// Formats numbers, times, reasons and signatures for people.

const number = new Intl.NumberFormat("en");

/** 1,234,567 */
export const count = (value) => number.format(Math.round(value ?? 0));

/** 1.2M, for where there is little room. */
export const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format;

/** 97 %, of what may be nothing. */
export function percent(part, whole) {
  if (!whole || !part) return "0 %";
  const share = (part / whole) * 100;
  if (part >= whole) return "100 %";
  if (share > 99.9) return "over 99.9 %";
  return `${share < 10 || share > 99 ? share.toFixed(1) : share.toFixed(0)} %`;
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

/** What is done, in the words of who asks what stops an attack. */
const STOPS = {
  signature: "Packets with its fingerprint are dropped",
  blocked: "Sources on the blocklist are dropped",
  banned: "Banned sources are dropped",
  unsolicited: "Answers that nobody asked for are dropped",
  "out-of-state": "Packets of no connection are dropped",
  fruitless: "Sources whose connections come to nothing are refused",
  "new-name": "Questions for new names are dropped",
  malformed: "Malformed packets are dropped",
  fragment: "Stray fragments are dropped",
};

export const stops = (name) => STOPS[name] ?? "What is over a limit is dropped";

/** 1 wave, 2 waves. */
export const waves = (number) => (number === 1 ? "1 wave" : `${number} waves`);

/** The service that what no other names is for. */
export const service = (name) => (name === "default" ? "this host" : name);

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
  odd: (value) => (value === "none" ? "nothing odd in its header" : `odd: ${value}`),
  form: (value) => `form ${value}`,
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
