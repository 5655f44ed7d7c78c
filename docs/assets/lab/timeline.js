// The time line under the diagram: a play is there as a whole, the reader moves on it. Position 0 is before the first
// step, the last one after the last. `moved(position)` shows it.
import { enable, isEnabled, make, set } from "./dom.js"
import { say, words } from "./words.js"

const PACE = 1200, LONGEST = 15_000 // milliseconds from step to step at speed 1, and of a whole run
const SPEEDS = ["0.5", "1", "2", "4"]

export class Timeline {
  at = 0
  shows = []
  timer = null
  buttons = {}
  gate = null // `async show => boolean`: asked before a step forward; predict.js puts its question there

  constructor(moved) {
    this.moved = moved
    const button = (name, sign, act) => this.buttons[name] = make("button", {
      type: "button", class: `ws-lab__${name}`, "aria-label": words[name], title: words[name],
      click: event => isEnabled(event.currentTarget) && act(),
    }, sign)
    this.slider = make("input", {
      type: "range", class: "ws-lab__slider", min: 0, max: 0, value: 0, step: 1, "aria-label": words.time_line,
      input: () => this.jump(Number(this.slider.value)),
    })
    this.speed = make("select", { class: "ws-lab__speed", "aria-label": words.speed, title: words.speed },
      ...SPEEDS.map(value => make("option", { value, selected: value === "1" }, `${value}×`)))
    this.place = make("span", { class: "ws-lab__place" })
    this.asks = make("code", { class: "ws-lab__asks" })
    this.element = make("div", { class: "ws-lab__time", role: "group", "aria-label": words.time_line },
      button("back", "←", () => this.back()), button("pause", "", () => this.toggle()),
      button("next", "→", () => this.forward()), this.slider, this.place, this.speed, this.asks)
  }

  get isAtEnd() {
    return this.at === this.shows.length
  }

  get isPlaying() {
    return this.timer !== null
  }

  load(shows, at = 0) {
    this.pause()
    this.shows = shows
    this.reached = 0
    this.slider.max = shows.length
    this.go(at)
  }

  go(to) {
    this.at = Math.max(0, Math.min(to, this.shows.length))
    this.reached = Math.max(this.reached, this.at)
    const values = { number: this.at, count: this.shows.length }
    this.slider.value = this.at
    this.place.textContent = this.shows.length ? `${this.at} / ${this.shows.length}` : ""
    set(this.slider, { "aria-valuetext": say("step_of", values) })
    const next = this.at ? this.shows[this.at - 1].next : this.shows[0]?.text
    this.asks.textContent = this.isAtEnd ? "" : next ?? ""
    enable(this.buttons.back, this.at > 0)
    enable(this.buttons.next, !this.isAtEnd)
    enable(this.buttons.pause, this.shows.length > 0)
    enable(this.slider, this.shows.length > 0)
    this.showPlaying()
    this.moved(this.at)
  }

  // Where steps are asked for, nobody jumps over them.
  jump(to) {
    this.pause()
    this.go(this.gate ? Math.min(to, this.reached) : to)
  }

  back() {
    this.jump(this.at - 1)
  }

  async forward() {
    this.pause()
    await this.step()
  }

  // False where there is no step, or where the reader has to answer first.
  async step() {
    if (this.isAtEnd) return false
    const { shows, at } = this
    if (this.gate && !await this.gate(shows[at])) return false
    if (shows !== this.shows || at !== this.at) return false // something else has happened meanwhile
    this.go(at + 1)
    return true
  }

  toggle() {
    if (this.isPlaying) this.pause()
    else {
      if (this.isAtEnd) this.go(0)
      this.play()
    }
    this.showPlaying()
  }

  play() {
    const pace = Math.min(PACE, LONGEST / this.shows.length) / Number(this.speed.value)
    const tick = async () => {
      const moved = await this.step()
      if (this.timer === null) return
      if (moved && !this.isAtEnd) this.timer = setTimeout(tick, pace)
      else this.pause()
      this.showPlaying()
    }
    clearTimeout(this.timer)
    this.timer = 0
    this.showPlaying()
    tick()
  }

  pause() {
    clearTimeout(this.timer)
    this.timer = null
    this.showPlaying()
  }

  showPlaying() {
    const name = this.isPlaying ? words.pause : words.go_on
    set(this.buttons.pause, { "aria-label": name, title: name, "data-playing": this.isPlaying })
  }
}
