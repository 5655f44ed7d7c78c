// "Play freely": fields from which lines of the transcript notation are made. The server reads them, and says what is
// wrong with one; what the reader has typed stays.
import { make } from "./dom.js"
import { words } from "./words.js"

let count = 0

// `example` is the text of the page's conversation: its first name and target are where playing begins.
export function playForm(example, send) {
  const id = `ws-lab-play-${++count}`
  const [, name = ""] = /^(\w+)\s+->/m.exec(example) ?? []
  const [, target = "/"] = /->\s+connect\s+(\S+)/.exec(example) ?? []
  const names = make("datalist", { id: `${id}-names` })
  const field = (label, tag, attributes, ...children) => {
    const input = make(tag, { autocomplete: "off", spellcheck: "false", ...attributes }, ...children)
    return [make("label", { class: `ws-lab__field ws-lab__field--${label}` }, words[label], input), input]
  }
  const [clientBox, client] = field("client", "input", { value: name, list: names.id })
  const [targetBox, path] = field("target", "input", { value: target })
  const [protocolsBox, protocols] = field("protocols", "input")
  const [headersBox, headers] = field("headers", "textarea", { rows: 1, "aria-describedby": `${id}-hint` })
  const [kindBox, kind] = field("kind", "select", {},
    ...["text", "json", "bytes"].map(value => make("option", {}, value)))
  const [messageBox, message] = field("message", "input")
  const [codeBox, code] = field("close_code", "input", { value: "1000", inputmode: "numeric", size: 5 })
  const [reasonBox, reason] = field("reason", "input")

  const line = (text, headers) => send(`${client.value.trim()} -> ${text}`.trim(), headers)
  const submit = label => make("button", {}, words[label])
  const form = (name, act, ...children) => make("form", {
    class: `ws-lab__form ws-lab__form--${name}`,
    submit: event => {
      event.preventDefault()
      act()
    },
  }, ...children)

  const connecting = form("connect", () => {
    const lines = headers.value.split("\n").map(line => line.trim()).filter(Boolean)
    if (protocols.value.trim()) lines.push(`sec-websocket-protocol: ${protocols.value.trim()}`)
    line(`connect ${path.value.trim()}`, lines)
    message.focus() // what comes next is a message, most of the time
  }, clientBox, names, targetBox, protocolsBox, headersBox, submit("connect"),
  make("p", { id: `${id}-hint`, class: "ws-lab__hint" }, words.headers_hint))

  const sending = form("send", () => {
    line(`${kind.value} ${kind.value === "text" ? JSON.stringify(message.value) : message.value}`)
    message.select() // Typing replaces it; after a mistake it is still there.
  }, kindBox, messageBox, submit("send"))

  const closing = form("close", () => {
    const why = reason.value ? ` ${JSON.stringify(reason.value)}` : ""
    line(`close ${code.value.trim() || (why && "1000")}${why}`.trim())
  }, codeBox, reasonBox, submit("close_connection"),
  make("button", { type: "button", title: words.drop_hint, click: () => line("drop") }, words.drop))

  const element = make("div", { class: "ws-lab__fields", hidden: true }, connecting, sending, closing)
  return {
    element,
    first: connecting.querySelector("button"),
    know: clients => {
      for (const value of clients)
        if (value && ![...names.children].some(option => option.value === value)) names.append(make("option", { value }))
    },
  }
}
