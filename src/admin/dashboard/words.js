// Settings and states in words: what a snapshot holds as values.

// What a state means, where its name does not show it.
const MEANINGS = {
  starting: "not judged by its probe yet",
  unproven: "has never passed its probe since it started",
  failing: "fails its probes",
  draining: "its task is about to stop, or an operator drained it",
  ended: "its container has ended",
  lost: "its node is down",
};

export const meaning = (state) => (Object.hasOwn(MEANINGS, state) ? MEANINGS[state] : "");

const list = (items) => items.join(", ");
const named = (name) => name.replaceAll("_", " ");

function headers(changes) {
  return list(Object.entries(changes).map(([name, value]) => (value === "" ? `removes ${name}` : `sets ${name}: ${value}`)));
}

// What is done to requests and answers on their way, by what it is called in labels.
const GUARDS = {
  redirect: ({ status, target }) => `every request, with ${status}, to ${target}`,
  allow: (networks) => (networks.length ? `clients from ${list(networks)}` : "no client, for the label could not be read"),
  rate_limit: (rate) => `${rate} requests a second of one client`,
  basic_auth: (users) => (users.length ? `the users ${list(users.map(({ user }) => user))}` : "no client, for the label could not be read"),
  max_body_bytes: (most) => `${most} bytes`,
  request_headers: headers,
  response_headers: headers,
  compress: list,
};

const NAMES = { allow: "allowed", rate_limit: "rate limit", basic_auth: "password", max_body_bytes: "largest body" };

// Each as [name, text]; what a service does not ask for is left out, and what this page does not know is shown as it is.
function middleware(settings) {
  const asked = Object.entries(settings ?? {}).filter(([, value]) =>
    value !== null && !(typeof value === "object" && !Array.isArray(value) && !Object.keys(value).length));
  return asked.flatMap(([key, value]) => {
    if (key === "compress" && !value.length) return [];
    const text = Object.hasOwn(GUARDS, key) ? GUARDS[key](value) : plain(value);
    return [[Object.hasOwn(NAMES, key) ? NAMES[key] : named(key), text]];
  });
}

function plain(value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return named(value);
  if (Array.isArray(value)) return value.length ? list(value.map(plain)) : "none";
  if (typeof value !== "object") return String(value);
  if ("secs" in value) return `${value.secs + value.nanos / 1e9} s`;
  return list(Object.entries(value).map(([name, it]) => `${named(name)} ${plain(it)}`));
}

// The settings of a service as [name, text].
export function settings(policy) {
  return Object.entries(policy).flatMap(([key, value]) =>
    (key === "middleware" ? middleware(value) : [[named(key), plain(value)]]));
}
