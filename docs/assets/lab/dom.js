// make("button", { type: "button", click: start }, "Run"): functions listen, `true` is an attribute without a value,
// `false` and null leave it out. Strings become text, never markup.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === "function") element.addEventListener(name, value)
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value)
  element.append(...children.filter(child => child != null))
  return element
}

// Markup from our own server or our own build: diagrams, code, explanations. Nothing else may come here.
export function parse(html) {
  const template = document.createElement("template")
  template.innerHTML = html
  return template.content
}

// `disabled` would take the focus away from a button that has just been pressed.
export const enable = (button, on) => button.setAttribute("aria-disabled", !on)
export const isEnabled = button => button.getAttribute("aria-disabled") !== "true"

// Scrolls inside `box` only, never the page: as far as `part` needs to be seen, with some air around it.
export function reveal(box, part, air = 24) {
  const inner = part.getBoundingClientRect(), outer = box.getBoundingClientRect()
  if (inner.bottom + air > outer.bottom) box.scrollTop += inner.bottom + air - outer.bottom
  if (inner.top - air < outer.top) box.scrollTop += inner.top - air - outer.top
}
