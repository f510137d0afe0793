// How the instance stands, by its own word: conditions, the other instances, and the labels that are complained about.

import { byId, element, plural, say } from "./dom.js";
import { mark } from "./marks.js";

// So many complaints are drawn; a swarm with more has one mistake many times.
const SHOWN = 100;

const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
const moment = (at) => element("time", { datetime: new Date(at).toISOString(), title: new Date(at).toISOString() }, clock(at));

export function drawStatus(status) {
  drawConditions(status);
  drawNodes(status);
}

function drawConditions({ conditions }) {
  byId("conditions").replaceChildren(...conditions.map(({ type, status, reason, message, since }) => {
    const words = message ? `${type}: ${message}` : `${type}: ${reason}`;
    const when = since ? [element("span", { class: "quiet" }, " since ", moment(since))] : [];
    return element("li", { "data-status": status }, mark(status === "True" ? "ready" : "warn"), element("div", {}, words, ...when));
  }));
}

function drawNodes({ nodes, snapshot }) {
  const has = (it) => it.generation && snapshot && it.generation.epoch === snapshot.generation.epoch
    && it.generation.sequence === snapshot.generation.sequence;
  const known = nodes.filter((it) => it.generation);
  const behind = known.filter((it) => !it.own && it.follows && !has(it)).length;
  let told = "This instance is no task of a service, and nobody follows it.";
  if (nodes.length) told = "What others steer by is known to the controller that they follow.";
  if (known.some((it) => !it.own)) told = behind ? `${plural(behind, "follower")} not yet on the latest snapshot.` : "All that follow this one have its snapshot.";
  say(byId("nodes-note"), told);
  const rows = nodes.map((it) => element("tr", { "data-node": it.node },
    element("th", { scope: "row", class: "mono" }, it.node.slice(0, 12), ...(it.own ? [element("span", { class: "quiet" }, " this one")] : [])),
    element("td", { class: "mono" }, it.address ?? "–"),
    element("td", {}, it.controller ? "controller" : "gateway"),
    element("td", {}, it.own ? "–" : it.follows === null ? "not known here" : it.follows ? "this one" : "another"),
    element("td", {}, ...generation(it, has(it)))));
  const head = ["Node", "Address", "Role", "Follows", "Generation"].map((it) => element("th", { scope: "col" }, it));
  const table = () => element("table", { "aria-labelledby": "nodes-title" },
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  byId("nodes").replaceChildren(...(rows.length ? [table()] : []));
}

function generation(it, same) {
  if (!it.generation) return ["–"];
  const told = element("span", { class: "figures" }, element("span", {}, mark(same ? "ready" : "starting"), String(it.generation.sequence)));
  return same ? [told] : [told, element("span", { class: "unseen" }, " which is not this instance's")];
}

export function drawLabels({ known, diagnostics, unknown }) {
  const shown = diagnostics.slice(0, SHOWN);
  byId("labels").replaceChildren(...shown.map((it) => element("li", { "data-level": it.level }, mark(it.level),
    element("div", {},
      element("strong", {}, it.service), ` ${it.level}: `, element("code", {}, `${it.key}: ${JSON.stringify(it.value)}`), ` ${it.reason}`,
      element("div", { class: "quiet" }, it.suggestion ? `${it.remedy} (did you mean “${it.suggestion}”?)` : it.remedy)))));
  let told = "No label is complained about.";
  if (!known) told = unknown.join(" ");
  else if (diagnostics.length > SHOWN) told = `${plural(diagnostics.length, "complaint")}, of which these are ${SHOWN}; /v1/diagnostics has all.`;
  else if (diagnostics.length) told = `${plural(diagnostics.length, "complaint")}; everything else stands.`;
  say(byId("labels-note"), told);
}
