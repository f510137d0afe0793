// The services with their routes and endpoints: a row each, drawn only where it is shown.

import { element, plural, rate, say, seconds, sparkline, svg } from "./dom.js";
import { isSlow } from "./figures.js";
import { colour, mark } from "./marks.js";
import { meaning, settings } from "./words.js";

const PAGE = 40;
const LINES = 6;
const LINE = 28;

// What a row shows of a snapshot: the services, the troubled first, each with its routes and endpoints.
export function read(snapshot, story) {
  const routes = new Map();
  for (const [{ host, path }, claims] of snapshot.routes) {
    const name = host.exact ?? `*.${host.under}`;
    for (const { service, port, scheme } of claims) {
      const written = `${scheme === "any" ? "" : `${scheme}://`}${name}${path === "/" ? "" : path}`;
      if (!routes.has(service)) routes.set(service, []);
      routes.get(service).push(`${written} :${port}`);
    }
  }
  const services = Object.entries(snapshot.clusters).map(([id, cluster]) => {
    const endpoints = Object.entries(cluster.endpoints).map(([task, endpoint]) => ({
      task, ...endpoint, ejected: story.isEjected(task, endpoint.node), latest: story.latest(task),
    }));
    const rotates = ({ state }) => state === "ready" || (state === "failing" && cluster.probes_disbelieved);
    const some = endpoints.some(rotates);
    for (const it of endpoints) it.serves = some ? rotates(it) : it.state === "draining";
    const troubled = ({ state, ejected }) => ["failing", "unproven", "lost", "ended"].includes(state) || ejected;
    const rank = endpoints.some(({ serves }) => serves) ? (endpoints.some(troubled) ? 1 : 2) : 0;
    endpoints.sort((a, b) => troubled(b) - troubled(a));
    return { id, name: cluster.service, policy: cluster.policy, disbelieved: cluster.probes_disbelieved, endpoints, rank,
      routes: routes.get(id) ?? [] };
  });
  return services;
}

// Those whose requests fail first, by how many; then those that nothing serves, and those of which a part is out.
export function byTrouble(services, failures) {
  const failing = new Map(services.map(({ name }) => [name, failures(name)]));
  return services.toSorted((a, b) =>
    failing.get(b.name) - failing.get(a.name) || a.rank - b.rank || (a.name < b.name ? -1 : 1));
}

export class Topology {
  #rows = new Map();
  #shown = PAGE;
  #services = [];
  #filter = "";
  // How each service is probed, by its name; only controllers know.
  #probes = new Map();

  constructor({ list, more, note, figures }) {
    Object.assign(this, { list, more, note, figures });
    more.addEventListener("click", () => {
      this.#shown += PAGE;
      this.draw();
    });
  }

  show(services) {
    this.#services = services;
    this.draw();
  }

  // Takes in how services are probed. Whether that is news.
  probedBy(services) {
    const probes = new Map(services.map(({ service, probe }) => [service, probe]));
    const same = probes.size === this.#probes.size && [...probes].every(([name, probe]) => this.#probes.get(name) === probe);
    this.#probes = probes;
    return !same;
  }

  filter(text) {
    this.#filter = text;
    this.#shown = PAGE;
    this.draw();
  }

  draw() {
    const found = byTrouble(this.#services.filter((service) => this.#matches(service)), (name) => this.figures.failures(name));
    const visible = found.slice(0, this.#shown);
    const focused = [...this.#rows].find(([, { item }]) => item.contains(document.activeElement));
    const rows = new Map();
    for (const service of visible) {
      service.probe = this.#probes.get(service.name);
      const drawn = JSON.stringify(service);
      let row = this.#rows.get(service.id);
      if (row?.drawn !== drawn) row = this.#replace(row, service, drawn);
      rows.set(service.id, row);
    }
    for (const [id, row] of this.#rows) if (!rows.has(id)) row.item.remove();
    // Moved only where the order differs; what is moved or drawn anew loses the keyboard's focus, and is given it back.
    [...rows.values()].forEach(({ item }, index) => {
      if (this.list.children[index] !== item) this.list.insertBefore(item, this.list.children[index] ?? null);
    });
    const again = rows.get(focused?.[0])?.item;
    if (again && !again.contains(document.activeElement)) again.querySelector("summary").focus({ preventScroll: true });
    this.#rows = rows;
    this.more.hidden = found.length <= visible.length;
    say(this.note, `${visible.length} of ${plural(this.#services.length, "service")} shown, those in trouble first`);
    this.drawFigures();
  }

  drawFigures() {
    for (const { name, place, item, tasks } of this.#rows.values()) {
      this.#drawEndpoints(item, tasks);
      const { rate: rates, p95, errors } = this.figures.service(name);
      const now = (values) => values.at(-1) ?? null;
      const share = now(errors);
      place.replaceChildren(
        element("span", {}, sparkline(rates, `Requests a second, now ${rate(now(rates))}`), rate(now(rates))),
        element("span", {}, sparkline(p95, `95th percentile of latency, now ${seconds(now(p95))}`), `p95 ${seconds(now(p95))}`));
      if (share) place.append(element("span", { class: "bad" }, mark("error"), `${(100 * share).toFixed(1)} % 5xx`));
    }
  }

  // What came to each endpoint since the last look; the slow one also in words.
  #drawEndpoints(item, tasks) {
    const waits = tasks.map((task) => this.figures.endpoint(task)?.wait ?? null);
    for (const place of item.querySelectorAll("[data-figure]")) {
      const figures = this.figures.endpoint(place.dataset.of);
      const slow = figures !== null && isSlow(figures.wait, waits);
      const texts = {
        brief: figures?.wait == null ? "" : ` · ${seconds(figures.wait)}${slow ? ", slow" : ""}`,
        rate: figures ? rate(figures.rate) : "–",
        errors: figures ? rate(figures.errors) : "–",
        wait: `${seconds(figures?.wait ?? null)}${slow ? ", slow" : ""}`,
        inFlight: figures ? String(figures.inFlight) : "–",
      };
      const { figure } = place.dataset;
      say(place, texts[figure]);
      place.classList.toggle("bad", ["brief", "wait"].includes(figure) ? slow : figure === "errors" && figures?.errors > 0);
    }
  }

  #matches({ name, routes, endpoints }) {
    const has = (text) => text.toLowerCase().includes(this.#filter);
    return !this.#filter || has(name) || routes.some(has)
      || endpoints.some(({ address, node, container, state }) => [address, node, container, state].some(has));
  }

  #replace(old, service, drawn) {
    const place = element("p", { class: "figures" });
    const details = element("details", {}, element("summary", {}, `Endpoints and settings of ${service.name}`));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) {
        details.append(table(service), facts(service));
        this.drawFigures();
      }
    });
    const trouble = ["unserved", "troubled", "fine"][service.rank];
    const item = element("li", { class: `service ${trouble}`, "data-service": service.name }, graph(service, place), details);
    if (old) {
      details.open = old.item.querySelector("details").open;
      old.item.replaceWith(item);
    }
    return { item, drawn, name: service.name, place, tasks: service.endpoints.map(({ task }) => task) };
  }
}

function graph({ name, routes, endpoints, disbelieved }, place) {
  const lines = Math.max(Math.min(routes.length, LINES), Math.min(endpoints.length, LINES), 3);
  const serving = endpoints.filter(({ serves }) => serves).length;
  const routeList = list("routes", `Routes of ${name}`, routes, (route) => [element("span", { title: route }, route)]);
  const endpointList = list("endpoints", `Endpoints of ${name}`, endpoints, ({ task, address, container, state, ejected, serves }) => [
    mark(ejected ? "ejected" : state),
    element("span", { title: `container ${container}` }, element("span", { class: "mono" }, `${address} ${container.slice(0, 12)}`),
      element("span", { class: colour(state), title: meaning(state) }, ` ${state}`), ejected ? " ejected" : "", serves || ejected ? "" : " · gets nothing",
      state === "unproven" ? element("span", { class: "quiet" }, `: it ${meaning(state)}`) : "", figure(task, "brief")),
  ], ({ task, state }) => ({ "data-state": state, "data-task": task }));
  const share = element("p", { class: serving ? "quiet" : "bad" }, `${serving} of ${plural(endpoints.length, "endpoint")} in use`);
  const middle = element("div", { class: "cluster" }, element("h3", { title: name }, name), share, place);
  if (disbelieved) middle.append(element("p", { class: "worry" }, "Most probes fail at once, which is not believed: all stay in rotation."));
  const edges = endpoints.slice(0, LINES).map(({ state, ejected, serves }) =>
    `${colour(ejected ? "ejected" : state)} ${serves && !ejected ? "" : "idle"}`);
  return element("div", { class: "graph" }, routeList, fan(routes.slice(0, LINES).map(() => ""), lines, false), middle,
    fan(edges, lines, true), endpointList);
}

function list(kind, title, items, show, attributes = () => ({})) {
  const shown = items.length > LINES ? LINES - 1 : LINES;
  const made = element("ul", { class: kind, "aria-label": title });
  for (const item of items.slice(0, shown)) made.append(element("li", attributes(item), ...show(item)));
  if (items.length > shown) made.append(element("li", { class: "quiet" }, `and ${items.length - shown} more`));
  if (!items.length) made.append(element("li", { class: "quiet" }, "none"));
  return made;
}

// Curves from each of some lines to the middle, or from it.
function fan(edges, lines, outward) {
  const height = lines * LINE;
  const curves = edges.map((kind, index) => {
    const y = (height - edges.length * LINE) / 2 + (index + 0.5) * LINE;
    const [from, to] = outward ? [height / 2, y] : [y, height / 2];
    return svg("path", { class: kind, d: `M4 ${from}C28 ${from} 28 ${to} 52 ${to}` });
  });
  return svg("svg", { class: "fan", viewBox: `0 0 56 ${height}`, height, "aria-hidden": "true" }, ...curves);
}

function table({ name, endpoints }) {
  const head = element("tr", {}, ...["State", "Requests", "Errors", "Wait", "In flight", "Address", "Container", "Node", "Task", "Latest"].map((it) => element("th", { scope: "col" }, it)));
  const rows = endpoints.map(({ state, ejected, address, container, node, task, latest }) => element("tr", {},
    element("td", {}, `${state}${ejected ? ", ejected" : ""}`, ...(meaning(state) ? [element("div", { class: "quiet" }, meaning(state))] : [])),
    ...["rate", "errors", "wait", "inFlight"].map((it) => element("td", {}, figure(task, it))),
    ...[address, container.slice(0, 12), node.slice(0, 12), task].map((it) => element("td", { class: "mono" }, it)),
    element("td", {}, latest ?? "")));
  return element("div", { class: "wide" }, element("table", { "aria-label": `Endpoints of ${name}` },
    element("thead", {}, head), element("tbody", {}, ...rows)));
}

// Where a figure of an endpoint is shown once it is known.
const figure = (task, kind) => element("span", { "data-of": task, "data-figure": kind });

function facts({ policy, probe }) {
  const known = probe ?? "not known here: an instance on a manager knows it";
  const entries = [["probe", known], ...settings(policy)];
  return element("dl", {}, ...entries.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}
