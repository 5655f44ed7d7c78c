// What was read stays readable without a network: pages and what they load, the network first; what has a hash in its
// name, from the cache first. The build writes its version here. Live addresses are WebSockets, which don't come by here.
const VERSION = "unversioned"
const SCOPE = self.registration.scope
const PYTHON = `${SCOPE}assets/python/`
const HASHED = /\/assets\/(?:python\/[^/]+\/|(?:javascripts|stylesheets)\/.*\.[0-9a-f]{8}\.min\.)/
const PAGES = `${SCOPE} ${VERSION}`, LASTING = `${SCOPE} python` // the latter outlives a build: it is large
const MODE = `${SCOPE}assets/lab/mode.js` // how `reference-ws serve` says that the live addresses answer

self.addEventListener("install", () => self.skipWaiting())

self.addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys())
    if (name.startsWith(`${SCOPE} `) && name !== PAGES && name !== LASTING) await caches.delete(name)
  await self.clients.claim()
})()))

const isOurs = url => url.startsWith(SCOPE) && !url.startsWith(`${SCOPE}live/`)
const cacheName = url => url.startsWith(PYTHON) && HASHED.test(url) ? LASTING : PAGES
// Opening makes a cache: an old worker that is asked once more would bring back the one that the new build has deleted.
const kept = (request, options) => caches.match(request, { ...options, cacheName: cacheName(request.url) })

async function keep(request, response) {
  // A page that was there before the new build asks the old worker: what that one kept now, nobody would ever delete.
  if (self.serviceWorker?.state === "redundant") return
  const cache = await caches.open(cacheName(request.url))
  await cache.put(request, response)
  if (!request.url.endsWith("/runtime.json")) return
  // A new build may have brought another Python: what this one doesn't name goes.
  const { folder, files, editor } = await (await cache.match(request)).json()
  const named = [folder, editor?.folder, ...files.map(({ name }) => name)].filter(Boolean).map(name => `${PYTHON}${name.split("/")[0]}/`)
  const lasting = await caches.open(LASTING)
  for (const { url } of await lasting.keys()) if (!named.some(start => url.startsWith(start))) await lasting.delete(url)
}

async function answer(event) {
  const { request } = event
  const isHashed = HASHED.test(request.url)
  const before = isHashed && await kept(request)
  if (before) return before
  try {
    const response = await fetch(request)
    if (response.status === 200) event.waitUntil(keep(request, response.clone()))
    return response
  } catch (error) {
    if (request.url === MODE) return new Response("export const live = false\n", { headers: { "content-type": "text/javascript" } })
    const found = await kept(request, { ignoreSearch: request.mode === "navigate", ignoreVary: true })
    if (found) return found
    throw error
  }
}

self.addEventListener("fetch", event => {
  if (event.request.method === "GET" && isOurs(event.request.url)) event.respondWith(answer(event))
})

// The first page was loaded before there was a service worker: what it names is kept afterwards.
self.addEventListener("message", event => event.waitUntil(Promise.allSettled(event.data
  .map(url => new Request(url.split("#")[0])).filter(({ url }) => isOurs(url)).map(async request => {
    if (await kept(request)) return
    const response = await fetch(request)
    if (response.status === 200 && !response.redirected) await keep(request, response)
  }))))
