// What the events tell: the timeline, and what has become of endpoints.

import { element } from "./dom.js";
import { mark } from "./marks.js";

const KEPT = 1000;
const PAGE = 60;
const SEVERITIES = ["debug", "info", "warn", "error"];

export class Story {
  #events = [];
  #ejected = new Map();
  #latest = new Map();
  #shown = PAGE;
  #filter = "";
  #least = "info";

  // The journal of the instance has begun anew: what it told before holds no more.
  forget() {
    for (const known of [this.#ejected, this.#latest]) known.clear();
    this.#events = [];
  }

  take(event) {
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.shift();
    const { kind, task, node, at } = event;
    if (task) this.#latest.set(task, event.message);
    if (kind === "endpoint_ejected") this.#ejected.set(task, at + event.seconds * 1000);
    if (kind === "node_ejected") this.#ejected.set(node, at + event.seconds * 1000);
    if (kind === "node_reinstated") this.#ejected.delete(node);
    if (kind === "endpoint_reinstated" || kind === "endpoint_removed") this.#ejected.delete(task);
    if (kind === "endpoint_removed") this.#latest.delete(task);
  }

  // A gateway tells of the end of an ejection late where no request comes; the time is what counts.
  isEjected(task, node) {
    return [task, node].some((it) => (this.#ejected.get(it) ?? 0) > Date.now());
  }

  anyEjected() {
    return this.#ejected.size > 0;
  }

  latest(task) {
    return this.#latest.get(task);
  }

  narrow({ filter = this.#filter, least = this.#least }) {
    [this.#filter, this.#least, this.#shown] = [filter, least, PAGE];
  }

  more() {
    this.#shown += PAGE;
  }

  drawEvents(list, more) {
    const found = this.#events.filter(({ severity, message }) =>
      SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(this.#least) && message.toLowerCase().includes(this.#filter)).reverse();
    list.replaceChildren(...found.slice(0, this.#shown).map((event) => {
      const when = new Date(event.at);
      const time = element("time", { datetime: when.toISOString(), title: when.toISOString() },
        when.toLocaleTimeString("en-GB"));
      const word = element("span", { class: "unseen" }, `${event.severity}: `);
      return element("li", { "data-severity": event.severity, "data-kind": event.kind }, time, mark(event.severity),
        element("span", {}, word, event.message));
    }));
    if (!found.length) list.append(element("li", { class: "quiet" }, "nothing"));
    more.hidden = found.length <= this.#shown;
  }
}
