// Requests to the API, and the event stream.

const STORAGE_KEY = "floodwall-token";

/** The token from the address bar, from which it is removed, or the one that this tab has stored. */
export function token() {
  const found = location.hash.match(/^#token=([0-9a-f]+)$/);
  if (found) {
    sessionStorage.setItem(STORAGE_KEY, found[1]);
    history.replaceState(null, "", "#/now");
  }
  return sessionStorage.getItem(STORAGE_KEY);
}

/** Stores a token that was typed in. */
export function remember(text) {
  sessionStorage.setItem(STORAGE_KEY, text.trim());
}

function headers() {
  return { Authorization: `Bearer ${sessionStorage.getItem(STORAGE_KEY)}` };
}

/** An error response of the API. */
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
    // The body is not JSON, so it does not come from the API.
  }
  throw new Refused(response.status, message);
}

/** @param {string} path @param {Record<string, string | number>} parameters */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString();
  return answered(await fetch(query ? `${path}?${query}` : path, { headers: headers() }));
}

/** A binary response, such as a capture. */
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
 * Receives events for ever. `told` is called with the name and the data of each event, `lost` with each error.
 * @param {(name: string, data: any) => void} told
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

/** Parses server-sent events. `EventSource` cannot be used, as it cannot send the token. */
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
