// The language switcher keeps the place on the page: anchors are the same in all languages.
document.addEventListener("click", event => {
  const link = event.target.closest?.(".md-select__link")
  if (link) link.hash = location.hash
}, true)

// Addresses to try out name the server that this page came from; what a transcript or a sample says stays as it is.
const secure = location.protocol === "https:" ? "s" : ""
for (const code of document.querySelectorAll(".md-content :not(pre) > code, .md-content .language-console code")) {
  const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT)
  while (texts.nextNode())
    texts.currentNode.data = texts.currentNode.data
      .replace(/\b(ws|http):\/\/127\.0\.0\.1:8000(?!\d)/g, (_, scheme) => `${scheme}${secure}://${location.host}`)
}

// A diagram opens over the whole screen, for a projector.
document.addEventListener("click", event => {
  const diagram = event.target.closest?.(".ws-transcript__enlarge, .ws-transcript__drawing")?.parentElement
  if (!diagram) return
  const dialog = diagram.querySelector("dialog")
  const drawing = dialog.appendChild(diagram.querySelector("svg").cloneNode(true))
  dialog.addEventListener("close", () => drawing.remove(), { once: true })
  dialog.showModal()
})
