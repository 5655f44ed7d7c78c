// A reader's choice of language is kept: here for the pages, in a cookie for `reference-ws serve`, which answers / by it.
const root = new URL("..", document.currentScript.src).pathname
const choose = language => {
  try { localStorage.setItem("ws-language", language) } catch { /* a browser may keep nothing: it is asked again */ }
  document.cookie = `ws-language=${language}; path=${root}; max-age=31536000; samesite=lax`
}
const language = document.documentElement.lang.split("-")[0] // a page in zh-Hans is one of the pages in zh
const chosen = () => { try { return localStorage.getItem("ws-language") } catch { return null } }

// What was read once is read without a network too: docs/sw.js. Its scope is the site, so it stands at the root.
document.head.append(Object.assign(document.createElement("link"), { rel: "manifest", href: `${root}manifest.webmanifest` }))
if (/^http/.test(location.protocol) && navigator.serviceWorker) {
  navigator.serviceWorker.register(`${root}sw.js`).catch(() => {})
  // The first page came before the service worker, and tells it what it has loaded.
  addEventListener("load", async () => {
    const { active } = await navigator.serviceWorker.ready
    active.postMessage([location.href, ...performance.getEntriesByType("resource").map(({ name }) => name)])
  })
}

// The language switcher keeps the place on the page: anchors are the same in all languages.
document.addEventListener("click", event => {
  const link = event.target.closest?.(".md-select__link, .ws-offer a")
  if (!link) return
  link.hash = location.hash
  choose(link.hreflang)
}, true)

// One line offers the page in the language that the browser asks for, to a reader who has not chosen yet.
const links = [...document.querySelectorAll(".md-select__link[data-offer]")]
const wanted = navigator.languages.map(tag => links.find(link => link.hreflang === tag.toLowerCase().split("-")[0]))
  .find(Boolean)
if (wanted && wanted.hreflang !== language && !chosen()) {
  const offer = document.createElement("aside"), link = document.createElement("a"), no = document.createElement("button")
  Object.assign(offer, { className: "ws-offer", lang: wanted.hreflang, ariaLabel: wanted.dataset.offer })
  Object.assign(link, { href: wanted.href, hreflang: wanted.hreflang, textContent: wanted.dataset.offer })
  Object.assign(no, { type: "button", title: wanted.dataset.decline, ariaLabel: wanted.dataset.decline, textContent: "✕" })
  no.addEventListener("click", () => {
    choose(language)
    offer.remove()
  })
  offer.append(link, no)
  document.querySelector(".md-content__inner")?.prepend(offer)
}

// Addresses to try out name the server that this page came from, where that is ours; what a transcript or a sample says
// stays as it is. Elsewhere nothing answers: the examples show no address, and the page says once where the others do.
import(`${root}assets/lab/mode.js`).then(({ live }) => {
  document.documentElement.classList.toggle("ws-live", live)
  if (!live) return document.querySelector(".ws-elsewhere")?.removeAttribute("hidden")
  const secure = location.protocol === "https:" ? "s" : ""
  for (const code of document.querySelectorAll(".md-content :not(pre) > code, .md-content .language-console code")) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT)
    while (texts.nextNode())
      texts.currentNode.data = texts.currentNode.data
        .replace(/\b(ws|http):\/\/127\.0\.0\.1:8000(?!\d)/g, (_, scheme) => `${scheme}${secure}://${location.host}`)
  }
})

// A diagram or a table that is wider than its place is scrolled with the arrow keys, which needs the focus.
const scrolled = new ResizeObserver(entries => {
  for (const { target } of entries)
    if (!target.closest(".ws-lab")) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1
})

// What the theme makes: a box around each table, and, for the buttons of each listing, a <nav>, dozens of landmarks
// without a name.
new MutationObserver(() => {
  for (const box of document.querySelectorAll(":is(.ws-transcript__drawing, .md-typeset__scrollwrap):not([tabindex])"))
    scrolled.observe(box)
  for (const nav of document.querySelectorAll("nav.md-code__nav:not([role])")) nav.setAttribute("role", "presentation")
}).observe(document.body, { childList: true, subtree: true })

// A teacher's sheet: with ?answers, all that is folded is printed too, which it must be open for.
if (new URLSearchParams(location.search).has("answers")) document.body.classList.add("ws-answers")
addEventListener("beforeprint", () => {
  for (const answer of document.querySelectorAll(".ws-answers .md-content details")) answer.open = true
})

// A diagram opens over the whole screen, for a projector.
document.addEventListener("click", event => {
  const diagram = event.target.closest?.(".ws-transcript__enlarge, .ws-transcript__drawing")?.parentElement
  if (!diagram) return
  const dialog = diagram.querySelector("dialog")
  const drawing = dialog.appendChild(diagram.querySelector("svg").cloneNode(true))
  dialog.addEventListener("close", () => drawing.remove(), { once: true })
  dialog.showModal()
})

// What a screen reader calls the dialog around the search field, in the page's language.
const search = document.querySelector("[data-md-component=search-query]")
search?.closest("[role=dialog]")?.setAttribute("aria-label", search.placeholder)
