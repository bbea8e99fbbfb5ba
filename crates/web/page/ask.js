// Asks floodwall, and listens to what changes.

const KEPT = "floodwall-token";

/** The token out of the address, which is taken out of it, or the one that this tab knows. */
export function token() {
  const said = location.hash.match(/^#token=([0-9a-f]+)$/);
  if (said) {
    sessionStorage.setItem(KEPT, said[1]);
    history.replaceState(null, "", "#/now");
  }
  return sessionStorage.getItem(KEPT);
}

/** Remembers a token that was typed in. */
export function remember(text) {
  sessionStorage.setItem(KEPT, text.trim());
}

function headers() {
  return { Authorization: `Bearer ${sessionStorage.getItem(KEPT)}` };
}

/** Why floodwall did not do what it was asked. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answered(response) {
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  let message = `${response.status} ${response.statusText}`;
  try {
    message = JSON.parse(text).message ?? message;
  } catch {
    // It is no answer of floodwall's.
  }
  throw new Refused(response.status, message);
}

/** @param {string} path @param {Record<string, string | number>} parameters */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString();
  return answered(await fetch(query ? `${path}?${query}` : path, { headers: headers() }));
}

/** A capture, as it is. */
export async function bytes(path, parameters) {
  const response = await fetch(`${path}?${new URLSearchParams(parameters)}`, { headers: headers() });
  return response.ok ? response.blob() : answered(response);
}

/** @param {"POST" | "PUT"} method */
export async function send(method, path, body) {
  const sent = { method, headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return answered(await fetch(path, sent));
}

/**
 * Listens for ever. `told` is called with the name of each event and what it says, `lost` with why nothing comes.
 * @param {(name: string, said: any) => void} told
 * @param {(error: Error) => void} lost
 */
export async function listen(told, lost) {
  for (;;) {
    try {
      const response = await fetch("/live", { headers: headers() });
      if (!response.ok) await answered(response);
      await read(response.body.pipeThrough(new TextDecoderStream()).getReader(), told);
      lost(new Error("floodwall has hung up; it is asked again"));
    } catch (error) {
      lost(error);
      if (error instanceof Refused && error.status === 401) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Server-sent events; `EventSource` cannot show a token. */
async function read(reader, told) {
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const lines = event.split("\n");
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (name && data) told(name, JSON.parse(data));
    }
  }
}
