// The language switcher keeps the place on the page: anchors are the same in all languages.
document.addEventListener("click", event => {
  const link = event.target.closest?.(".md-select__link")
  if (link) link.hash = location.hash
}, true)

// Live addresses name the server that this page came from.
for (const address of document.querySelectorAll("[data-live]"))
  address.textContent = address.textContent
    .replace("ws://127.0.0.1:8000", `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`)
