// Follows the instance that serves this page: events as they happen, the snapshot when it changed, figures by the clock.

import { byId, element, plural, rate, say, seconds, sparkline } from "./dom.js";
import { Figures } from "./figures.js";
import { mark } from "./marks.js";
import { drawCertificates, drawMisses } from "./served.js";
import { drawLabels, drawStatus } from "./standing.js";
import { Story } from "./story.js";
import { read, Topology } from "./topology.js";
import { meaning } from "./words.js";

const POLL = 2000;
// From one look at the snapshot to the next: short, and longer where it takes long to read.
const LOOK = 100;
const PATIENCE = 10000;

const figures = new Figures();
const story = new Story();
const topology = new Topology({ list: byId("services"), more: byId("more-services"), note: byId("shown"), figures });
let snapshot = null;
const started = Date.now();

// The snapshot: looked at when an event or the figures tell of a newer one, one look at a time.
let wanted = null;
let looking = false;

async function look() {
  if (looking) return;
  looking = true;
  while (wanted) {
    const { until } = wanted;
    const began = performance.now();
    try {
      const answer = await fetch("snapshot", { cache: "no-store" });
      if (answer.ok) {
        snapshot = await answer.json();
        drawSoon();
      }
    } catch {
      // The stream tells that the instance is away, and comes back when it does.
    }
    // An event may be faster than the snapshot that it tells of.
    if (wanted && (reached(wanted) || Date.now() > until)) wanted = null;
    await sleep(LOOK + 4 * (performance.now() - began));
  }
  looking = false;
}

const newer = (a, b) => a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);

const reached = (generation) => snapshot !== null && !newer(generation, snapshot.generation);

function want(generation) {
  if (reached(generation) || (wanted && !newer(generation, wanted))) return;
  wanted = { ...generation, until: Date.now() + PATIENCE };
  look();
}

// The events. What is worse than it was is also said to those who hear the page, a few at a time.
let journal = null;
let news = [];
const SPOKEN = 3;

function follow() {
  const stream = new EventSource("events/stream");
  stream.onopen = () => badge("stream", "info", "live");
  stream.onerror = () => badge("stream", "warn", "reconnecting");
  stream.onmessage = ({ data, lastEventId }) => {
    const event = JSON.parse(data);
    const [epoch] = lastEventId.split("-");
    if (journal !== null && journal !== epoch) story.forget();
    journal = epoch;
    story.take(event);
    if (event.kind === "snapshot_published") want(event.generation);
    if (event.at > started && ["warn", "error"].includes(event.severity)) news.push(event.message);
    drawSoon();
  };
}

// The figures, and whether the instance is ready. A hidden page asks for nothing.
async function poll() {
  const began = performance.now();
  try {
    const asked = ["metrics", "ready", "v1/status", "v1/diagnostics"].map((it) => fetch(it, { cache: "no-store" }));
    const [metrics, ready, status, diagnostics] = await Promise.all(asked);
    figures.take(await metrics.text(), performance.now());
    drawReadiness(await ready.json());
    const standing = await status.json();
    drawStatus(standing);
    drawMisses(standing);
    drawCertificates(figures, Date.now());
    if (topology.probedBy(standing.services)) drawSoon();
    drawLabels(await diagnostics.json());
    const sequence = figures.sum("hiveway_snapshot_generation");
    const epoch = figures.sum("hiveway_snapshot_epoch_timestamp_seconds");
    if (sequence !== null) want({ epoch: Math.round(epoch * 1000), sequence });
    drawFlow();
    drawInstance();
    // The order is by errors, so that it may be another one now.
    if (snapshot) topology.draw();
    if (story.anyEjected()) drawSoon();
  } catch {
    badge("readiness", "error", "does not answer");
  }
  await sleep(POLL + 4 * (performance.now() - began));
  if (document.hidden) await new Promise((shown) => document.addEventListener("visibilitychange", shown, { once: true }));
  poll();
}

// What came in close succession is drawn once.
let due = false;
let pause = 50;

function drawSoon() {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    const began = performance.now();
    if (snapshot) topology.show(read(snapshot, story));
    story.drawEvents(byId("events"), byId("more-events"));
    drawFlow();
    const more = news.length > SPOKEN ? [`and ${news.length - SPOKEN} more`] : [];
    if (news.length) say(byId("announcement"), [...news.slice(0, SPOKEN), ...more].join("; "));
    news = [];
    pause = 50 + 4 * (performance.now() - began);
  }, pause);
}

function badge(id, kind, text) {
  const place = byId(id);
  if (place.textContent !== text) place.replaceChildren(mark(kind), text);
}

function drawReadiness({ ready }) {
  badge("readiness", ready ? "ready" : "error", ready ? "ready" : "not ready");
}

function drawFlow() {
  const { total } = figures;
  const now = (values) => values.at(-1) ?? null;
  const big = (text) => element("strong", {}, text);
  const listeners = figures.by("hiveway_connections", "listener");
  const open = listeners.reduce((sum, [, count]) => sum + count, 0);
  byId("flow-clients").replaceChildren(big(String(open)), ` open ${open === 1 ? "connection" : "connections"}`,
    ...listeners.map(([listener, count]) => ` · ${listener} ${count}`));
  byId("flow-gateway").replaceChildren(big(rate(now(total.rate))), ` · p95 ${seconds(now(total.p95))}`);
  byId("flow-spark").replaceChildren(sparkline(total.rate, `All requests a second, now ${rate(now(total.rate))}`));
  if (!snapshot) return;
  const clusters = Object.values(snapshot.clusters);
  byId("flow-routes").replaceChildren(big(String(snapshot.routes.length)), ` to ${plural(clusters.length, "service")}`);
  const states = new Map();
  for (const { endpoints } of clusters) {
    for (const { state } of Object.values(endpoints)) states.set(state, (states.get(state) ?? 0) + 1);
  }
  const others = [...states].filter(([state]) => state !== "ready").map(([state, count]) =>
    element("span", { title: meaning(state) }, ` · ${count} ${state}`));
  byId("flow-endpoints").replaceChildren(big(String(states.get("ready") ?? 0)), " ready", ...others);
}

function drawInstance() {
  const [version] = figures.by("hiveway_build_info", "version")[0] ?? ["?"];
  const stale = figures.sum("hiveway_snapshot_stale_seconds") ?? 0;
  const facts = {
    Version: version,
    Snapshot: snapshot ? `generation ${snapshot.generation.sequence} since ${new Date(snapshot.generation.epoch).toISOString()}` : "none yet",
    Swarm: stale > 0 ? `not heard of for ${stale} s: routes are frozen` : "known as it is",
    Followers: `${figures.sum("hiveway_followers") ?? 0} gateways follow this controller`,
    Controllers: `connected to ${figures.sum("hiveway_controllers") ?? 0} on other nodes`,
    Dropped: `${figures.sum("hiveway_events_dropped_total") ?? 0} events, ${figures.sum("hiveway_agent_messages_dropped_total") ?? 0} messages of agents`,
  };
  byId("instance").replaceChildren(...Object.entries(facts).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

byId("filter").addEventListener("input", ({ target }) => {
  const filter = target.value.trim().toLowerCase();
  topology.filter(filter);
  story.narrow({ filter });
  drawSoon();
});
byId("severity").addEventListener("change", ({ target }) => {
  story.narrow({ least: target.value });
  drawSoon();
});
byId("more-events").addEventListener("click", () => {
  story.more();
  drawSoon();
});

follow();
poll();
