const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an element: attributes (false and null leave one out, `text` is the text), then children.
 * @param {string} tag
 * @param {Object<string, string | number | boolean | null | undefined>} attributes
 * @param {...Node} children
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Creates an icon of the page's sprite (`#i-{name}`); it says nothing to screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Creates a button that calls back. */
export function button(text, onClick, { primary = false, id = null } = {}) {
  const node = element("button", { type: "button", class: primary ? "button primary" : "button", id, text });
  node.addEventListener("click", onClick);
  return node;
}
