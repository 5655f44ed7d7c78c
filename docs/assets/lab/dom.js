// make("button", { type: "button", click: start }, "Run"): strings become text, never markup.
export function make(tag, attributes = {}, ...children) {
  const element = set(document.createElement(tag), attributes)
  element.append(...children.filter(child => child != null))
  return element
}

// Functions listen; `true` is an attribute without a value; `false`, null and undefined take it away.
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === "function") element.addEventListener(name, value)
    else if (value === false || value == null) element.removeAttribute(name)
    else element.setAttribute(name, value === true ? "" : value)
  return element
}

// Markup from our own server or our own build: diagrams, code, explanations. Nothing else may come here.
export function parse(html) {
  const template = document.createElement("template")
  template.innerHTML = html
  return template.content
}

// `disabled` would take the focus away from a button that has just been pressed.
export const enable = (button, on) => set(button, { "aria-disabled": !on && "true" })
export const isEnabled = button => !button.hasAttribute("aria-disabled")

// A key for the page, not for a dialog, an input method or the browser.
export const isPlain = event =>
  !(event.isComposing || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]"))

// What the browser keeps in `storage`, "localStorage" or "sessionStorage". It may keep nothing, and even naming one may
// throw: then there is nothing, and what is kept lasts as long as the page.
export function kept(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key))
  } catch {
    return null
  }
}

export function keep(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value))
  } catch { /* see above */ }
}

// Scrolls inside `box` only, never the page: as far as `part` needs to be seen, with some air around it.
export function reveal(box, part, air = 24) {
  const inner = part.getBoundingClientRect(), outer = box.getBoundingClientRect()
  if (inner.bottom + air > outer.bottom) box.scrollTop += inner.bottom + air - outer.bottom
  if (inner.top - air < outer.top) box.scrollTop += inner.top - air - outer.top
  if (inner.right + air > outer.right) box.scrollLeft += inner.right + air - outer.right
  if (inner.left - air < outer.left) box.scrollLeft += inner.left - air - outer.left
}
