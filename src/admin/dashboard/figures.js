// What /metrics says, and how it has changed over the last minutes.

const KEPT = 60;
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

  #count() {
    const requests = new Map();
    const buckets = new Map();
    for (const { labels, value } of this.#now.get("hiveway_requests_total") ?? []) {
      const count = at(requests, labels.get("service"), () => ({ all: 0, errors: 0 }));
      count.all += value;
      if (labels.get("class") === "5xx") count.errors += value;
    }
    for (const { labels, value } of this.#now.get("hiveway_request_duration_seconds_bucket") ?? []) {
      const bound = labels.get("le") === "+Inf" ? Infinity : Number(labels.get("le"));
      at(buckets, labels.get("service"), () => new Map()).set(bound, value);
    }
    return { requests, buckets };
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
    for (const service of this.#services.keys()) {
      if (!now.requests.has(service)) this.#services.delete(service);
    }
  }
}

function note(series, all, errors, buckets, elapsed) {
  push(series.rate, all / elapsed);
  push(series.errors, all ? errors / all : null);
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

const empty = () => ({ rate: [], errors: [], p95: [] });

function push(series, value) {
  series.push(value);
  if (series.length > KEPT) series.shift();
}

function at(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}
