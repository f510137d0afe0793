// The states of endpoints and the severities of events, each with a colour and a shape of its own.

import { svg } from "./dom.js";

const CIRCLE = "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z";
const TRIANGLE = "M8 2 15 14H1z";
const OCTAGON = "M5 1h6l4 4v6l-4 4H5l-4-4V5z";

// name: [colour, filled shape, hollow shape, cut out of the filled one]
const MARKS = {
  ready: ["good", CIRCLE],
  starting: ["calm", "", CIRCLE + "M8 5v3l2 2"],
  unproven: ["bad", "", TRIANGLE],
  failing: ["bad", OCTAGON, "", "M5.500 5.500l5 5m0-5-5 5"],
  draining: ["worry", "M8 2a6 6 0 0 0 0 12z", CIRCLE],
  ended: ["gone", "", "M3 3h10v10H3z"],
  lost: ["bad", "", "M8 1 15 8 8 15 1 8z"],
  ejected: ["worry", "", CIRCLE + "M4 12 12 4"],
  debug: ["gone", "M8 6a2 2 0 1 0 0 4a2 2 0 1 0 0-4z"],
  info: ["calm", "", "M8 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8z"],
  notice: ["calm", "", "M8 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8z"],
  warn: ["worry", TRIANGLE, "", "M8 6v4"],
  error: ["bad", OCTAGON, "", "M8 4v5m0 2v1"],
};
// A state that this page does not know yet.
const OTHER = ["gone", "", "M3 8h10"];

const of = (name) => (Object.hasOwn(MARKS, name) ? MARKS[name] : OTHER);

export const colour = (name) => of(name)[0];

// The shape; the word has to stand beside it.
export function mark(name) {
  const [colour, filled = "", hollow = "", cut = ""] = of(name);
  const shapes = svg("svg", { class: `mark ${colour}`, viewBox: "0 0 16 16", "aria-hidden": "true" });
  if (filled) shapes.append(svg("path", { d: filled }));
  if (hollow) shapes.append(svg("path", { d: hollow, class: "hollow" }));
  if (cut) shapes.append(svg("path", { d: cut, class: "hollow cut" }));
  return shapes;
}
