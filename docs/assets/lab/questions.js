// Which question is asked before which step of a play, and what can be answered. Nothing is written for it: right and
// wrong answers come from the play itself, from the code, and from the tables of states and close codes. Pure functions,
// without a page around them; tests/guide/test_questions.py looks at those of every example.
//
// A question: { kind, client, given, options, right }. `given` is the line that the reader is told, null when the line
// itself is what is asked for; of the `options`, texts in an order that says nothing, number `right` is right and no
// other. An option that is null stands for "nowhere: the handler has ended".
//
//   states  the two states of a client after the line              next    what the application does next
//   waits   the line in which the handler waits after the line     who     which clients get a message now
//   learns  the close code that the application gets to know       code    the code with which it closes
//   raised  the exception that leaves the handler

const LINE = /^(?:([\p{L}\p{N}_]+) +)?(->|<-|!!|==|\.\.)(?: *(\S+))?(?: +(.*))?$/u
const MOST = 4 // options
const STATES = ["CONNECTING", "CONNECTED", "RESPONSE", "DISCONNECTED"]
const USUAL_STATES = [[1, 1], [3, 1], [1, 3], [1, 0], [0, 0], [3, 3], [0, 3]]
const USUAL_LINES = ["<- accept", "<- deny 403", "<- close 1000", "<- close 1011", '<- text "ok"']
const USUAL_CODES = [1000, 1011, 1008, 1001, 1003, 1009]
const LEARNT_CODES = [1000, 1001, 1005, 1006]
// No error that is the base of another: of two right answers, one would be wrong.
const USUAL_ERRORS = ["WebSocketDisconnect", "TimeoutError", "KeyError", "ZeroDivisionError", "JSONDecodeError"]
const ONE_OF_MANY = /task_?group|start_soon|create_task|gather\(/i // then a handler waits in several lines at once

// `shows` of a whole play, `code(block)` the source of a sample, `codes` number -> "1000 normal closure".
// Gives a question or null for each show.
export function questions(shows, code, codes) {
  const steps = shows.map((show, index) => read(show, shows[index - 1]))
  const asked = {} // kind -> how often: whatever can be asked, what has been asked least often comes first
  const told = new Set() // steps that an earlier question has been about
  return steps.map((step, index) => {
    if (!step || told.has(index)) return null
    const play = { shows, steps, index, step, code, codes }
    const [first] = candidates(play).filter(Boolean)
      .sort((a, b) => (b.urgent ?? 0) - (a.urgent ?? 0) || (asked[a.kind] ?? 0) - (asked[b.kind] ?? 0))
    if (!first) return null
    asked[first.kind] = (asked[first.kind] ?? 0) + 1
    for (const other of first.covers ?? []) told.add(other)
    const { kind, client, options, right, given = null } = first
    return { kind, client, given, options, right }
  })
}

// What has happened in a step, as a line of the notation: the script may leave open what exactly comes.
function read(show, before) {
  const text = show.transcript.split("\n").filter(line => /^\S/.test(line))[before?.row ?? 0] ?? ""
  const [, client = "", sign, verb = "", rest = ""] = LINE.exec(text) ?? []
  return sign && { text, client, sign, verb, rest }
}

const isData = step => step?.sign === "<-" && ["text", "json", "bytes"].includes(step.verb)

function candidates(play) {
  const { step, steps, index } = play
  if (step.sign === "==") return [] // asked one step earlier: by now both states stand there
  let end = index + 1
  while (steps[end]?.sign === "==") end++
  const followed = steps.slice(index + 1, end).map(({ client }) => client)
  if (followed.length) {
    const question = states(play, followed.includes(step.client) ? step.client : followed[0])
    if (question) return [{ ...question, urgent: 1 }]
  }
  if (step.sign === "!!") return [raised(play)]
  if (step.sign === "..") return []
  if (step.sign === "->") return {
    connect: [states(play, step.client), waits(play)],
    drop: [states(play, step.client), learns(play)],
    close: [states(play, step.client)],
  }[step.verb] ?? [waits(play)]
  if (step.verb === "close") return [closes(play), states(play, step.client)]
  return isData(step) ? [who(play), next(play)] : [next(play)]
}

// --- the kinds ---

function states({ shows, index, step }, client) {
  const pair = ({ client_state, application_state }) => [client_state, application_state].map(name => STATES.indexOf(name))
  const of = show => show?.states.filter(each => each.client === client).map(pair) ?? []
  const [answer] = of(shows[index])
  if (!answer) return null
  const written = ([own, other]) => `client=${STATES[own]} application=${STATES[other]}`
  const [before = [0, 0]] = of(shows[index - 1])
  const order = [before, ...USUAL_STATES]
  const options = distinct([answer, ...order], written).slice(0, MOST).sort((a, b) => a[0] - b[0] || a[1] - b[1])
  return choice("states", client, options.map(written), written(answer), { given: step.text })
}

function waits({ shows, index, step, code }) {
  const place = shows[index].waits.find(({ client }) => client === step.client)
  if (!place?.block) return null
  const source = code(place.block)
  if (ONE_OF_MANY.test(source)) return null
  const lines = source.split("\n"), answer = place.line - 1
  const clean = number => lines[number].replace(/\s+#.*$/, "").trim()
  const others = waitingLines(lines, answer).sort((a, b) => Math.abs(a - answer) - Math.abs(b - answer))
  const chosen = distinct([answer, ...others], clean).slice(0, MOST).sort((a, b) => a - b).map(clean)
  if (chosen.length < MOST) chosen.push(null)
  return chosen.length < 3 ? null : choice("waits", step.client, chosen, clean(answer), { given: step.text })
}

// Lines that wait for something, but never when this one does: not those that have called its function, however far away.
function waitingLines(lines, answer) {
  const indent = line => /^\s*/.exec(line)[0].length
  const definition = number => {
    for (let at = number, limit = indent(lines[number]); at >= 0; at--) {
      const name = /^\s*(?:async )?def (\w+)/.exec(lines[at])?.[1]
      if (name && indent(lines[at]) < limit) return name
    }
  }
  const callers = new Set([definition(answer)])
  const calls = line => [...callers].some(name => name && new RegExp(`\\b${name}\\(`).test(line))
  for (let known = 0; known < callers.size;) {
    known = callers.size
    lines.forEach((line, number) => !/\bdef \w+/.test(line) && calls(line) && callers.add(definition(number)))
  }
  const balance = text => text.replace(/[^([{]/g, "").length - text.replace(/[^)\]}]/g, "").length
  const isSameStatement = number => number < answer && balance(lines.slice(number, answer).join("\n")) > 0
  // An `async with` waits when it is entered and when it is left, perhaps for what is inside of it.
  const numbers = lines.map((_, number) => number).filter(number => /\bawait\b|^\s*async for\b/.test(lines[number]))
  return numbers.filter(number => number !== answer && !calls(lines[number]) && !isSameStatement(number))
}

function learns({ shows, index, step, codes }) {
  const before = shows[index - 1]?.states.find(({ client }) => client === step.client)
  if (before?.application_state !== "CONNECTED" || before.client_state !== "CONNECTED") return null
  return choice("learns", step.client, LEARNT_CODES.map(number => codes[number]), codes[1006], { given: step.text })
}

function closes({ step, codes }) {
  const name = number => codes[number] ?? String(number)
  const answer = Number(step.verb === "close" && /^\d+/.exec(step.rest)?.[0] || 1000)
  const options = [...new Set([answer, ...USUAL_CODES])].slice(0, MOST).sort((a, b) => a - b)
  return choice("code", step.client, options.map(name), name(answer))
}

function next({ steps, index, step, shows }) {
  const bare = ({ text, client }) => text.slice(client.length).trim()
  const others = steps.filter(each => each?.sign === "<-" && each !== step)
  const kin = each => (each.verb === step.verb ? 0 : 1)
  const said = steps.slice(0, index).findLast(each => each?.sign === "->" && each.client === step.client && each.rest)
  const echo = isData(step) && ["text", "json", "bytes"].includes(said?.verb) ? [`<- ${said.verb} ${said.rest}`] : []
  const accepted = shows[index - 1]?.states.some(each => each.client === step.client && each.application_state === "CONNECTED")
  const pool = [...echo, ...others.sort((a, b) => kin(a) - kin(b)).map(bare), ...USUAL_LINES]
  const answer = bare(step)
  const fits = line => meaning(line) !== meaning(answer) && !line.startsWith(answer) && !answer.startsWith(line)
    && (accepted ? !/^<- (accept|deny)/.test(line) : /^<- (accept|deny|close)/.test(line))
  const options = distinct([answer, ...pool.filter(fits)], meaning).slice(0, MOST).sort()
  return choice("next", step.client, options, answer)
}

// The same message may be written as text and as JSON, and JSON in more than one way.
function meaning(line) {
  const [, form, value] = /^<- (text|json) (.*)$/.exec(line) ?? []
  try {
    const text = form === "text" ? JSON.parse(value) : value
    return form ? JSON.stringify(JSON.parse(text), (_, each) =>
      each?.constructor === Object ? Object.fromEntries(Object.entries(each).sort()) : each) : line
  } catch {
    return line
  }
}

function who({ shows, steps, index }) {
  const open = (shows[index - 1]?.states ?? [])
    .filter(each => each.client && each.client_state === "CONNECTED" && each.application_state === "CONNECTED")
    .map(({ client }) => client)
  const got = []
  let end = index
  for (; isData(steps[end]) && !got.includes(steps[end].client); end++) got.push(steps[end].client)
  if (!got.every(client => open.includes(client))) return null
  // Who gets something afterwards, without having done anything: perhaps it is on its way already.
  const later = client => steps.slice(end).find(step => step?.client === client && step.sign !== "==")
  const sure = open.filter(client => got.includes(client) || !isData(later(client)))
  const sets = sure.reduce((all, client) => [...all, ...all.map(set => [...set, client])], [[]]).filter(set => set.length)
  const written = set => open.filter(client => set.includes(client)).join(", ")
  const answer = written(got)
  const options = distinct([got, sure, ...sets], written).slice(0, MOST).map(written)
    .sort((a, b) => a.split(", ").length - b.split(", ").length || (a < b ? -1 : 1))
  if (options.length < 3) return null
  return choice("who", "", options, answer, { covers: got.map((_, place) => index + place) })
}

function raised({ step, steps }) {
  const answer = step.verb
  const others = steps.filter(each => each?.sign === "!!").map(({ verb }) => verb).filter(name => USUAL_ERRORS.includes(name))
  return choice("raised", step.client, [...new Set([answer, ...others, ...USUAL_ERRORS])].slice(0, MOST).sort(), answer)
}

// ---

const choice = (kind, client, options, answer, more) => ({ kind, client, options, right: options.indexOf(answer), ...more })

function distinct(items, key) {
  const seen = new Set()
  return items.filter(item => !seen.has(key(item)) && seen.add(key(item)))
}
