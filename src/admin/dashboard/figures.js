// What /metrics says, and how it has changed over the last minutes.

const KEPT = 60;
// The ends of passed-on connections for which a request would have been answered with a 5xx.
const UNSERVED = ["unreachable", "no-endpoint", "overloaded", "queue-full", "guard-unreadable", "max-task-connections",
  "max-task-connections-per-client"];
// A wait is slow that is three times the median of its service's endpoints, and not of a few milliseconds.
const SLOWER = 3;
const NOTICED = 0.01;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

// Prometheus' text, as a list of { labels, value } by name.
export function parse(text) {
  const families = new Map();
  for (const line of text.split("\n")) {
    if (!line.startsWith("hiveway_")) continue;
    const space = line.lastIndexOf(" ");
    const brace = line.indexOf("{");
    const name = line.slice(0, brace === -1 ? space : brace);
    const labels = new Map();
    if (brace !== -1) {
      for (const [, label, value] of line.slice(brace, space).matchAll(LABEL)) {
        labels.set(label, value.replace(/\\(.)/g, (_, it) => (it === "n" ? "\n" : it)));
      }
    }
    if (!families.has(name)) families.set(name, []);
    families.get(name).push({ labels, value: Number(line.slice(space + 1)) });
  }
  return families;
}

export class Figures {
  #before = null;
  #now = new Map();
  #services = new Map();
  #endpoints = new Map();
  total = empty();

  take(text, at) {
    this.#now = parse(text);
    const counts = this.#count();
    if (this.#before) this.#compare(this.#before, counts, (at - this.#before.at) / 1000);
    this.#before = { at, ...counts };
  }

  // The sum of a metric's samples that have these labels; none where there is no such sample.
  sum(name, wanted = {}) {
    const samples = (this.#now.get(name) ?? []).filter(({ labels }) =>
      Object.entries(wanted).every(([label, value]) => labels.get(label) === value));
    return samples.length ? samples.reduce((sum, { value }) => sum + value, 0) : null;
  }

  // The samples of a metric as [label's value, sample].
  by(name, label) {
    return (this.#now.get(name) ?? []).map(({ labels, value }) => [labels.get(label), value]);
  }

  // The samples of a metric as { labels, value }.
  samples(name) {
    return this.#now.get(name) ?? [];
  }

  service(name) {
    return this.#services.get(name) ?? empty();
  }

  // What came to a task's endpoint since the last look: { rate, errors, wait, inFlight }; none where it is not known.
  endpoint(task) {
    return this.#endpoints.get(task) ?? null;
  }

  // How many requests for a service failed over the last minutes.
  failures(name) {
    return this.service(name).failures.reduce((sum, count) => sum + count, 0);
  }

  #count() {
    const requests = new Map();
    const buckets = new Map();
    for (const { labels, value } of this.#now.get("hiveway_requests_total") ?? []) {
      const count = at(requests, labels.get("service"), () => ({ all: 0, errors: 0 }));
      count.all += value;
      if (labels.get("class") === "5xx") count.errors += value;
    }
    for (const { labels, value } of this.#now.get("hiveway_tcp_connections_total") ?? []) {
      const count = at(requests, labels.get("service"), () => ({ all: 0, errors: 0 }));
      count.all += value;
      if (UNSERVED.includes(labels.get("end"))) count.errors += value;
    }
    for (const { labels, value } of this.#now.get("hiveway_request_duration_seconds_bucket") ?? []) {
      const bound = labels.get("le") === "+Inf" ? Infinity : Number(labels.get("le"));
      at(buckets, labels.get("service"), () => new Map()).set(bound, value);
    }
    return { requests, buckets, endpoints: this.#countEndpoints() };
  }

  #countEndpoints() {
    const endpoints = new Map();
    const of = (labels) => at(endpoints, labels.get("task"), () => ({ all: 0, errors: 0, waits: 0, waited: 0, inFlight: 0 }));
    for (const { labels, value } of this.#now.get("hiveway_endpoint_requests_total") ?? []) {
      const count = of(labels);
      count.all += value;
      if (["failed", "broken"].includes(labels.get("outcome"))) count.errors += value;
      if (labels.get("outcome") !== "broken") count.waits += value;
    }
    for (const { labels, value } of this.#now.get("hiveway_endpoint_wait_seconds_total") ?? []) of(labels).waited = value;
    for (const { labels, value } of this.#now.get("hiveway_endpoint_requests_in_flight") ?? []) of(labels).inFlight = value;
    return endpoints;
  }

  #compare(before, now, elapsed) {
    const sum = { all: 0, errors: 0, buckets: new Map() };
    for (const [service, count] of now.requests) {
      const old = before.requests.get(service);
      // A counter that went back began anew.
      const anew = !old || count.all < old.all;
      const all = anew ? 0 : count.all - old.all;
      const errors = anew ? 0 : count.errors - old.errors;
      const within = new Map();
      for (const [bound, value] of now.buckets.get(service) ?? []) {
        const delta = anew ? 0 : value - (before.buckets.get(service)?.get(bound) ?? 0);
        within.set(bound, delta);
        sum.buckets.set(bound, (sum.buckets.get(bound) ?? 0) + delta);
      }
      sum.all += all;
      sum.errors += errors;
      note(at(this.#services, service, empty), all, errors, within, elapsed);
    }
    note(this.total, sum.all, sum.errors, sum.buckets, elapsed);
    this.#compareEndpoints(before.endpoints, now.endpoints, elapsed);
    for (const service of this.#services.keys()) {
      if (!now.requests.has(service)) this.#services.delete(service);
    }
  }

  #compareEndpoints(before, now, elapsed) {
    const figures = new Map();
    for (const [task, count] of now) {
      const known = before.get(task);
      const old = known && known.all <= count.all ? known : { all: count.all, errors: count.errors, waits: count.waits, waited: count.waited };
      const waits = count.waits - old.waits;
      // Without an answer in between, what was seen last still stands.
      const wait = waits > 0 ? (count.waited - old.waited) / waits : this.endpoint(task)?.wait ?? null;
      figures.set(task, { rate: (count.all - old.all) / elapsed, errors: (count.errors - old.errors) / elapsed, wait, inFlight: count.inFlight });
    }
    this.#endpoints = figures;
  }
}

// Whether a wait stands out among those of the same service's endpoints.
export function isSlow(wait, all) {
  const sorted = all.filter((it) => it !== null).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  return wait !== null && wait >= NOTICED && wait >= SLOWER * median;
}

function note(series, all, errors, buckets, elapsed) {
  push(series.rate, all / elapsed);
  push(series.errors, all ? errors / all : null);
  push(series.failures, errors);
  push(series.p95, quantile(0.95, buckets));
}

// As Prometheus' histogram_quantile: linear within a bucket; none without requests.
function quantile(share, buckets) {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const all = sorted.at(-1)?.[1] ?? 0;
  if (!all) return null;
  let [lower, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= share * all) {
      return bound === Infinity ? Infinity : lower + ((bound - lower) * (share * all - below)) / (count - below || 1);
    }
    [lower, below] = [bound, count];
  }
  return null;
}

const empty = () => ({ rate: [], errors: [], failures: [], p95: [] });

function push(series, value) {
  series.push(value);
  if (series.length > KEPT) series.shift();
}

function at(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}
