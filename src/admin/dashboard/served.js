// What clients are served besides the services: certificates with their ends, and answers of the gateway's own by host.

import { byId, element, plural } from "./dom.js";
import { mark } from "./marks.js";

const DAY = 24 * 60 * 60;
// As the events about an end: 14 and 3 days before.
const SOON = 14 * DAY;
const VERY_SOON = 3 * DAY;

// The number of hosts that are drawn; /v1/status has more.
const SHOWN = 20;

export function drawCertificates(figures, now) {
  const ends = figures.samples("hiveway_certificate_not_after_timestamp_seconds").map(({ labels, value }) =>
    ({ file: labels.get("file"), names: labels.get("names"), left: value - now / 1000, end: new Date(value * 1000) }));
  const refused = figures.samples("hiveway_certificate_refused").map(({ labels }) => labels.get("file"));
  ends.sort((a, b) => a.left - b.left);
  byId("certificates").replaceChildren(
    ...refused.map((file) => element("li", { "data-certificate": file }, mark("error"),
      element("div", {}, element("code", {}, file), " cannot be used; the events have the reason"))),
    ...ends.map(({ file, names, left, end }) => element("li", { "data-certificate": file },
      mark(left < VERY_SOON ? "error" : left < SOON ? "warn" : "ready"),
      element("div", {}, element("strong", {}, names.replaceAll(",", ", ")), ` ${lasts(left)}`,
        element("div", { class: "quiet" }, `${end.toISOString().slice(0, 16).replace("T", " ")} UTC · ${file}`)))));
  byId("certificates-note").textContent = ends.length ? `${plural(ends.length, "certificate")} in use, the first to end first.` : "TLS is not served here, or there is no certificate.";
}

function lasts(left) {
  if (left <= 0) return "has ended";
  const days = Math.floor(left / DAY);
  return days ? `ends in ${plural(days, "day")}` : `ends in ${plural(Math.ceil(left / 3600), "hour")}`;
}

export function drawMisses({ misses }) {
  const { hosts, other } = misses ?? { hosts: [], other: { not_found: 0, unavailable: 0 } };
  const rest = hosts.slice(SHOWN).reduce((sum, it) =>
    ({ not_found: sum.not_found + it.not_found, unavailable: sum.unavailable + it.unavailable }), other);
  const row = (name, it) => element("tr", {}, element("th", { scope: "row", class: "mono" }, name),
    element("td", {}, String(it.not_found)), element("td", {}, String(it.unavailable)));
  const rows = hosts.slice(0, SHOWN).map((it) => row(it.host, it));
  if (rest.not_found || rest.unavailable) rows.push(row("other hosts", rest));
  const head = ["Host", "404", "503"].map((it) => element("th", { scope: "col" }, it));
  const table = () => element("table", { "aria-labelledby": "misses-title" },
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  byId("misses").replaceChildren(...(rows.length ? [table()] : []));
  byId("misses-note").textContent = rows.length ? "404: no service claims it. 503: no task of its service can serve. Since this instance started." : "Hiveway has answered no request itself with 404 or 503.";
}
