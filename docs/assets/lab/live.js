// A run on the server that this page came from. The server says over the control socket what the browser shall do with
// its sockets; what then happens is told by the server too, as it sees it. The page reads nothing from its own sockets.
import { words } from "./words.js"

const origin = location.origin.replace(/^http/, "ws")

export class Live {
  constructor(place, panel) {
    this.place = place
    this.panel = panel
    this.sockets = new Map()
  }

  start(mode, script) {
    const begin = { do: "start", ...this.place, mode, script } // JSON leaves out what is undefined
    // A run that is under way may have messages for us on their way: they must not mix with those of the new one.
    if (this.running) this.leave()
    this.hangUp()
    this.running = mode
    if (this.control?.readyState === WebSocket.OPEN) this.say(begin)
    else this.open(begin)
  }

  open(begin) {
    this.control?.close()
    const control = this.control = new WebSocket(`${origin}/lab`)
    control.onopen = () => control === this.control && this.running && this.say(begin)
    control.onmessage = ({ data }) => control === this.control && this.obey(JSON.parse(data))
    control.onclose = () => {
      if (control !== this.control) return
      this.control = null
      this.hangUp()
      // Before it closes, the server says why.
      if (this.running && !this.warned) this.panel.problem({ text: words.lost })
      this.end()
    }
  }

  obey(message) {
    this.warned = message.do === "problem"
    switch (message.do) {
      case "connect": return this.connect(message)
      case "send": return this.whenOpen(message.client, socket => socket.send(message.text ?? bytes(message.base64)))
      case "close": return this.whenOpen(message.client, socket => socket.close(message.code, message.reason))
      case "show": return this.running && this.panel.show(message)
      case "code": return this.panel.code(message)
      case "over":
        if (this.running) this.panel.over(message)
        return this.end()
      case "problem":
        if (this.running) this.panel.problem(message)
        if (message.ends) this.end() // else the reader can try again
    }
  }

  end() {
    if (this.running) this.panel.end()
    this.running = null
  }

  connect({ client, path, protocols }) {
    this.sockets.get(client)?.close()
    this.attempt(() => this.sockets.set(client, new WebSocket(origin + path, protocols ?? [])))
  }

  whenOpen(client, act) {
    const socket = this.sockets.get(client)
    const now = () => this.attempt(() => act(socket))
    if (socket?.readyState === WebSocket.OPEN) now()
    else if (socket?.readyState === WebSocket.CONNECTING) socket.addEventListener("open", now)
  }

  // Browsers don't accept every subprotocol, nor every close code and reason.
  attempt(act) {
    try {
      act()
    } catch (error) {
      this.panel.problem({ text: error.message })
    }
  }

  next() {
    this.say({ do: "next" })
  }

  line(line, headers) {
    this.say({ do: "line", line, headers })
  }

  stop() {
    if (!this.running) return
    this.end()
    this.say({ do: "stop" })
    this.hangUp()
  }

  leave() {
    this.stop()
    const control = this.control
    this.control = null
    control?.close()
  }

  // Quick fingers say more before the server answers: it is said after the beginning.
  say(message) {
    const { control } = this, now = () => control.send(JSON.stringify(message))
    if (control?.readyState === WebSocket.OPEN) now()
    else if (control?.readyState === WebSocket.CONNECTING) control.addEventListener("open", now)
  }

  hangUp() {
    for (const socket of this.sockets.values()) socket.close()
    this.sockets.clear()
  }
}

const bytes = base64 => Uint8Array.from(atob(base64), character => character.charCodeAt())
