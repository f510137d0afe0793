// Makes elements. What comes from the swarm gets in as text or as the value of an attribute, never as markup.

const SVG = "http://www.w3.org/2000/svg";

// element("p", { class: "note" }, "text", child, …)
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

// Sets a text only where it differs, so that a selection in it and a reader's place survive.
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

// A line through values of which some are missing, with a sentence for those who do not see it.
export function sparkline(values, sentence) {
  const top = Math.max(...values.filter((value) => value !== null), 0) || 1;
  let path = "";
  let drawn = false;
  values.forEach((value, index) => {
    if (value !== null) {
      const x = (84 * index) / Math.max(values.length - 1, 1);
      path += `${drawn ? "L" : "M"}${x.toFixed(1)} ${(19 - (15 * value) / top).toFixed(1)}`;
    }
    drawn = value !== null;
  });
  return svg("svg", { class: "spark", viewBox: "0 0 84 20", preserveAspectRatio: "none", role: "img", "aria-label": sentence }, svg("path", { d: path }));
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export function rate(value) {
  return value === null ? "–" : `${value >= 100 ? value.toFixed(0) : value.toFixed(1)}/s`;
}

export function seconds(value) {
  if (value === null) return "–";
  if (value === Infinity) return "> 60 s";
  return value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(1)} s`;
}
