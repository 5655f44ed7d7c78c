// The chat's page: signs in, shows what is said, and comes back by itself. What people write is only ever `textContent`.

const WORDS = {
  zh: {
    room: "房间", name: "名字", password: "密码", signIn: "登录", send: "发送", say: "说点什么……",
    signedOut: "请登录", connecting: "正在连接……", open: name => `${name}，已连接`,
    lost: s => `连接断了，约 ${s} 秒后重连`, full: "还有太多消息没有发出去，请稍等", refused: "名字或密码不对，或者登录已过期。",
    later: s => `消息暂时无法送达，约 ${s} 秒后重试`, long: n => `消息有 ${n} 个字符，最多 ${MOST_LONG} 个`,
    badRoom: "房间名只能用文字、数字、- 和 _，最多 32 个字符", gap: "有些消息已不再保留，无法显示",
  },
  pt: {
    room: "Sala", name: "Nome", password: "Senha", signIn: "Entrar", send: "Enviar", say: "Escreva uma mensagem…",
    signedOut: "Entre para conversar", connecting: "Conectando…", open: name => `${name}, você está na sala`,
    lost: s => `Sem conexão; nova tentativa em cerca de ${s} s`, full: "Há mensagens demais por enviar; aguarde um pouco",
    refused: "O nome ou a senha não confere, ou o seu acesso expirou.",
    later: s => `O servidor não consegue entregar as mensagens; nova tentativa em cerca de ${s} s`,
    long: n => `A mensagem tem ${n} caracteres; o limite é ${MOST_LONG}`,
    badRoom: "O nome de uma sala só pode ter letras, algarismos, - e _, até 32 caracteres",
    gap: "Algumas mensagens não estão mais disponíveis",
  },
  ru: {
    room: "Комната", name: "Имя", password: "Пароль", signIn: "Войти", send: "Отправить", say: "Напишите сообщение…",
    signedOut: "Войдите, чтобы писать", connecting: "Подключаемся…", open: name => `${name}, вы на связи`,
    lost: s => `Нет связи; повторим примерно через ${s} с`, full: "Слишком много неотправленных сообщений, подождите немного",
    refused: "Имя или пароль не подходят, или время входа истекло.",
    later: s => `Сообщения пока не доставляются; повторим примерно через ${s} с`,
    long: n => `Знаков в сообщении: ${n}, а можно не больше ${MOST_LONG}`,
    badRoom: "В названии комнаты могут быть только буквы, цифры, - и _, не больше 32 знаков",
    gap: "Часть сообщений уже недоступна",
  },
}
const language = navigator.languages.map(tag => tag.slice(0, 2).toLowerCase()).find(tag => tag in WORDS) ?? "zh"
const words = WORDS[language]
const time = { hour: "2-digit", minute: "2-digit" }
const today = new Intl.DateTimeFormat(language, time)
const before = new Intl.DateTimeFormat(language, { month: "numeric", day: "numeric", ...time })

const FIRST_MS = 500, MOST_MS = 30_000 // the pauses between two attempts, at most: doubled each time
const PACE_MS = 250 // between two messages of our own: the server closes on those who send more than five a second
const ANSWER_MS = 10_000 // a message that hasn't come back by then has found no server
const SILENCE_MS = 25_000 // without a message: then we ask whether the server is still there
const MOST_WAITING = 20, MOST_SHOWN = 500
const MOST_LONG = 1000 // characters, as the server counts them

const [door, status, signIn, refused, list, say] =
  ["door", "status", "sign-in", "refused", "said", "say"].map(id => document.getElementById(id))
const fields = signIn.elements

let room, ws, timer, me
let hello // who we are, as the first message says it
let pause = FIRST_MS
let last // the id of the last message that has come: what `after` asks from
let sending // the timer of the message that is on its way
let listening // the timer of the silence, then of the answer to our question
const waiting = new Map() // key -> {text, item}: what we have said and not yet heard, in its order
const shown = new Map() // name and key -> item, of the latest: a message that we had to send twice comes twice

document.documentElement.lang = language
for (const element of document.querySelectorAll("[data-text]")) element.textContent = words[element.dataset.text]
say.text.placeholder = words.say
say.text.setAttribute("aria-label", words.say)

function tell(text, open = false) {
  if (status.textContent !== text) status.textContent = text // who listens hears it once
  status.classList.toggle("open", open)
}

function backOff() {
  const wait = pause * (0.5 + Math.random() / 2) // not all clients in the same moment
  pause = Math.min(2 * pause, MOST_MS)
  return wait
}

function heard() { // the other side lives; of a network that is gone nobody tells who only reads
  clearTimeout(listening)
  listening = setTimeout(() => {
    ws.send(JSON.stringify({ key: "0" }))
    listening = setTimeout(() => ws.close(), ANSWER_MS) // then `onclose` connects anew
  }, SILENCE_MS)
}

function connect() {
  clearTimeout(timer)
  clearTimeout(listening)
  tell(words.connecting)
  // No room's name has a dot; but of ".." the browser would make another path, at which nobody tells that.
  const socket = ws = new WebSocket(`/rooms/${encodeURIComponent(room).replaceAll(".", "%252E")}`)
  const began = Date.now()
  socket.onopen = () => socket.send(JSON.stringify({ ...hello, after: last ?? "0-0" }))
  socket.onmessage = event => {
    if (socket !== ws) return
    heard()
    take(JSON.parse(event.data))
  }
  socket.onclose = event => {
    if (socket !== ws) return // we have gone to another room
    clearTimeout(listening)
    clearTimeout(sending)
    sending = undefined
    if (event.code === 4401) return askWho(words.refused)
    if (event.code === 4404) return tell(words.badRoom)
    if (Date.now() - began > 2 * pause) pause = FIRST_MS // it had lasted: a server that accepts and hangs up is no good news
    const wait = backOff()
    tell(words.lost(Math.ceil(wait / 1000)))
    timer = setTimeout(connect, wait)
  }
}

function take(message) {
  if (message.type === "welcome") {
    if (me !== message.name) { // somebody else: nobody says what another one has written
      for (const { item } of waiting.values()) item.remove()
      waiting.clear()
    }
    me = message.name
    hello = { token: message.token }
    sessionStorage.setItem("token", message.token)
    tell(words.open(me), true)
    if (say.hidden) {
      say.hidden = false
      say.text.focus()
    }
    pump()
  } else if (message.type === "later") { // the server lives, what holds the rooms together doesn't
    clearTimeout(sending)
    const wait = backOff()
    tell(words.later(Math.ceil(wait / 1000)))
    sending = setTimeout(again, wait)
  } else if (message.skipped !== undefined) { // by the rooms: the history doesn't reach back so far
    note(words.gap)
  } else if (message.type !== "here") {
    last = message.id ?? last
    show(message)
  }
}

function show({ key, name, text, at }) {
  const mark = `${name} ${key}`
  const own = name === me && waiting.get(key)
  if (own) {
    pause = FIRST_MS
    tell(words.open(me), true)
    waiting.delete(key)
    own.item.remove()
    clearTimeout(sending)
    sending = setTimeout(again, PACE_MS)
  }
  if (shown.has(mark)) return
  shown.set(mark, line({ name, text, at }))
  if (shown.size > MOST_SHOWN) {
    const [oldest, item] = shown.entries().next().value
    item.remove()
    shown.delete(oldest)
  }
}

let atEnd = true // of what is said: there we stay, whatever comes, and however much room there is for it
const toEnd = () => { if (atEnd) list.scrollTop = list.scrollHeight }
list.onscroll = () => atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40
new ResizeObserver(toEnd).observe(list)

function element(tag, text, className = "") {
  const made = document.createElement(tag)
  made.textContent = text // never HTML: anybody may have written it
  made.className = className
  return made
}

function add(item) {
  list.append(item)
  for (const { item } of waiting.values()) list.append(item) // what hasn't come back stays below
  toEnd()
  return item
}

function line({ name, text, at }) {
  const item = element("li", "")
  const day = new Date(at).toDateString() === new Date().toDateString() ? today : before
  item.append(element("time", day.format(at)), element("b", name), element("bdi", text))
  return add(item)
}

function note(text) {
  add(element("li", text, "note"))
}

// --- what we say: one message after the other, each again until it comes back ------------------------------------------

function pump() {
  if (sending !== undefined || ws.readyState !== WebSocket.OPEN || say.hidden) return
  const [next] = waiting
  if (!next) return
  const [key, { text }] = next
  ws.send(JSON.stringify({ key, text }))
  sending = setTimeout(() => ws.close(), ANSWER_MS)
}

function again() {
  sending = undefined
  pump()
}

say.onsubmit = event => {
  event.preventDefault()
  const text = say.text.value.trim()
  if (!text) return
  const length = [...text].length
  if (length > MOST_LONG) return tell(words.long(length))
  if (waiting.size >= MOST_WAITING) return tell(words.full)
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("")
  const item = element("li", "", "waiting")
  item.append(element("bdi", text))
  waiting.set(key, { text, item })
  atEnd = true
  add(item)
  say.text.value = ""
  pump()
}

// --- who we are, and where ---------------------------------------------------------------------------------------------

function askWho(why = "") {
  sessionStorage.removeItem("token")
  hello = undefined
  tell(words.signedOut)
  refused.textContent = why
  signIn.hidden = false
  say.hidden = true
  fields.name.focus()
}

signIn.onsubmit = event => {
  event.preventDefault()
  hello = { name: fields.name.value.trim(), password: fields.password.value }
  fields.password.value = ""
  signIn.hidden = true
  connect()
}

function enter() {
  room = new URLSearchParams(`room=${location.hash.slice(1)}`).get("room") || "hall" // what is no encoding stays as it is
  door.room.value = room
  document.title = room
  if (waiting.size) say.text.value = [...waiting.values()].map(({ text }) => text).join(" ") // nothing typed is lost
  for (const entry of [waiting, shown]) entry.clear()
  clearTimeout(sending)
  last = sending = undefined
  pause = FIRST_MS
  list.replaceChildren()
  ws?.close()
  if (hello) connect()
  else askWho()
}

door.onsubmit = event => {
  event.preventDefault()
  location.hash = encodeURIComponent(door.room.value.trim())
}
addEventListener("hashchange", enter)
const back = () => !document.hidden && hello && ws.readyState === WebSocket.CLOSED && connect()
addEventListener("online", back)
document.addEventListener("visibilitychange", back)
addEventListener("beforeunload", event => waiting.size && event.preventDefault()) // the browser asks before it is lost
const token = sessionStorage.getItem("token")
if (token) hello = { token }
enter()
