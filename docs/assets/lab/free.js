// "Play freely": fields from which lines of the transcript notation are made. Python reads them, and says what is wrong
// with one; what the reader has typed stays.
import { make } from "./dom.js"
import { words } from "./words.js"

let count = 0
const FLOOD = 50, LARGE = 20_000 // messages, characters

export const form = (name, act, ...children) => make("form", {
  class: `ws-lab__form ws-lab__form--${name}`,
  submit: event => {
    event.preventDefault()
    act()
  },
}, ...children)

export function freePlay(lab) {
  const id = `ws-lab-play-${++count}`
  const names = make("datalist", { id: `${id}-names` }), paths = make("datalist", { id: `${id}-paths` })
  const field = (label, tag, attributes, ...children) => {
    const input = make(tag, { autocomplete: "off", spellcheck: "false", ...attributes }, ...children)
    return [make("label", { class: `ws-lab__field ws-lab__field--${label}` }, words[label], input), input]
  }
  const [clientBox, client] = field("client", "input", { list: names.id, size: 6 })
  const [targetBox, path] = field("target", "input", { list: paths.id })
  const [protocolsBox, protocols] = field("protocols", "input", { size: 8 })
  const [headersBox, headers] = field("headers", "textarea", { rows: 1 })
  const [kindBox, kind] = field("kind", "select", {}, ...["text", "json", "bytes"].map(value => make("option", {}, value)))
  const [messageBox, message] = field("message", "input", { keydown: event => recall(event) })
  const [codeBox, code] = field("close_code", "input", { value: "1000", inputmode: "numeric", size: 5 })
  const [reasonBox, reason] = field("reason", "input", {})

  const said = [] // earlier messages, for the up key
  let recalled = 0
  function recall(event) {
    const to = recalled + { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (!(to >= 0 && to <= said.length)) return
    recalled = to
    message.value = said[to] ?? ""
    event.preventDefault()
  }

  const say = (text, headers = []) => lab.say(`${client.value.trim()} ${text}`.trim(), headers)
  const line = (text, headers) => say(`-> ${text}`, headers)
  const payload = text => kind.value === "text" ? JSON.stringify(text) : text
  const button = (name, click, title) => make("button", { type: click ? "button" : "submit", click, title }, words[name])

  const connecting = form("connect", () => {
    const lines = headers.value.split("\n").map(line => line.trim()).filter(Boolean)
    if (protocols.value.trim()) lines.push(`sec-websocket-protocol: ${protocols.value.trim()}`)
    line(`connect ${path.value.trim()}`, lines)
    message.focus() // what comes next is a message, most of the time
  }, clientBox, targetBox, protocolsBox, headersBox, button("connect"), names, paths)

  const sending = form("send", () => {
    line(`${kind.value} ${payload(message.value)}`)
    said.push(message.value)
    recalled = said.length
    message.select() // Typing replaces it; after a mistake it is still there.
  }, kindBox, messageBox, button("send"))

  const closing = form("end", () => {
    const why = reason.value ? ` ${JSON.stringify(reason.value)}` : ""
    line(`close ${code.value.trim() || (why && "1000")}${why}`.trim())
  }, codeBox, reasonBox, button("close_connection"))

  const sign = (name, text) => make("button", {
    type: "button", title: words[name], "aria-label": words[name], click: () => lab[name](),
  }, text)
  const breaking = make("div", { class: "ws-lab__form", role: "group", "aria-label": words.break_it },
    make("span", { class: "ws-lab__hint" }, words.break_it),
    button("drop", () => line("drop"), words.drop_hint),
    button("flood", () => {
      for (let number = 1; number <= FLOOD; number++) line(`text "${number}"`)
    }, words.flood_hint),
    button("large", () => line(`text ${JSON.stringify("x".repeat(LARGE))}`), words.large_hint),
    button("stop_reading", () => say("stop reading"), words.stop_reading_hint),
    button("read_on", () => say("go on reading")),
    button("bad_text", () => line("close 1007"), words.bad_text_hint))

  sending.append(sign("undo", "↶"), sign("anew", "⟲"))
  const element = make("div", { class: "ws-lab__fields", hidden: true }, connecting, sending,
    make("details", {}, make("summary", {}, words.more), make("div", { class: "ws-lab__more" }, closing, breaking)))

  // Where playing begins: what the example's first client does.
  function know({ script, targets }) {
    const [, name = "", target = "/", head = ""] =
      /^(?:([\p{L}\p{N}_]+) +)?-> connect (\S+)((?:\n[ \t]+\S.*)*)/mu.exec(script) ?? []
    const lines = head.split("\n").map(line => line.trim()).filter(Boolean)
    const isProtocol = line => /^sec-websocket-protocol:/i.test(line)
    client.value = name
    path.value = target
    protocols.value = lines.filter(isProtocol).map(line => line.replace(/^[^:]*:\s*/, "")).join(", ")
    headers.value = lines.filter(line => !isProtocol(line)).join("\n")
    headers.rows = Math.max(1, headers.value.split("\n").length)
    const [, form = "text", value = ""] = /-> (text|json|bytes) (.*)$/m.exec(script) ?? []
    kind.value = form
    try {
      message.value = form === "text" ? JSON.parse(value) : value
    } catch {
      message.value = value
    }
    paths.replaceChildren(...targets.map(value => make("option", { value })))
    const all = new Set([...script.matchAll(/^([\p{L}\p{N}_]+) +->/gmu)].map(([, name]) => name))
    names.replaceChildren(...[...all].map(value => make("option", { value })))
  }

  // Whoever comes back to a conversation goes on as the client that spoke last.
  const resume = line => client.value = /^([\p{L}\p{N}_]+) +(?:->|stop|go on)/u.exec(line)?.[1] ?? ""

  return { element, know, resume, first: connecting.querySelector("button"), message }
}
