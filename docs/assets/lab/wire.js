// What is real on the wire, where `reference-ws serve` serves the pages: under each example a small client of its live
// addresses, the browser's own WebSocket, which shows what the browser sees.
import { make, set } from "./dom.js"
import { form } from "./free.js"
import { live } from "./mode.js"
import { words } from "./words.js"

const STATES = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"]

export function wire(figure) {
  const targets = [...figure.querySelectorAll("[data-live]")].map(code => code.textContent)
  if (!live || !targets.length) return null
  let socket = null
  const rows = make("tbody"), now = make("p", { class: "ws-wire__now", role: "status" })
  const field = (label, tag, attributes, ...children) => {
    const input = make(tag, { autocomplete: "off", spellcheck: "false", ...attributes }, ...children)
    return [make("label", { class: "ws-lab__field" }, words[label], input), input]
  }
  const [addressBox, address] = field("address", "select", {}, ...targets.map(target => make("option", {}, target)))
  const [protocolsBox, protocols] = field("protocols", "input", { size: 8 })
  const [messageBox, message] = field("message", "input", {})
  const [codeBox, code] = field("close_code", "input", { value: "1000", inputmode: "numeric", size: 5 })
  const [reasonBox, reason] = field("reason", "input", {})

  const look = () => now.textContent = socket
    ? `readyState: ${socket.readyState} ${STATES[socket.readyState]} · bufferedAmount: ${socket.bufferedAmount} · protocol: "${socket.protocol}"` : ""
  const log = (event, text) => {
    rows.append(make("tr", {}, make("td", {}, make("code", {}, event)), make("td", {}, STATES[socket?.readyState ?? 3]),
      make("td", {}, text)))
    look()
  }
  // The browser throws at some subprotocols, codes and reasons, and at what is sent too early.
  const attempt = (call, act) => {
    try {
      act()
      log(call, "")
    } catch (error) {
      log(call, `${error.name}: ${error.message}`)
    }
  }
  const submit = name => make("button", {}, words[name])

  const connect = () => attempt("new WebSocket()", () => {
    socket?.close()
    rows.replaceChildren()
    const opened = socket = new WebSocket(address.value, protocols.value.split(",").map(token => token.trim()).filter(Boolean))
    const hear = (name, text) => opened.addEventListener(name, event => opened === socket && log(name, text(event)))
    hear("open", () => "")
    hear("error", () => "")
    hear("message", ({ data }) => typeof data === "string" ? data : `Blob (${data.size})`)
    hear("close", event => `wasClean: ${event.wasClean} · code: ${event.code} · reason: "${event.reason}"`)
  })
  const head = name => make("th", { scope: "col" }, name)
  return make("details", { class: "ws-lab__wire" }, make("summary", {}, words.wire), make("p", {}, words.wire_hint),
    form("wire", connect, addressBox, protocolsBox, submit("connect")),
    form("wire", () => attempt("send()", () => socket.send(message.value)), messageBox, submit("send")),
    form("wire", () => attempt("close()", () => socket.close(...code.value ? [Number(code.value), reason.value] : [])),
      codeBox, reasonBox, submit("close_connection")),
    now, set(make("table", {}, make("thead", {}, make("tr", {}, head(words.event), head("readyState"), head(words.data))), rows),
      { "aria-label": words.wire }))
}
