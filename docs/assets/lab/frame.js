// In the frame that python.js makes: starts the worker with what it is given, and says if that can't be.
addEventListener("message", ({ data: { worker, ...given }, ports: [port, failure] }) => {
  const started = new Worker(URL.createObjectURL(new Blob([worker], { type: "text/javascript" })))
  started.onerror = ({ message }) => failure.postMessage({ do: "failed", text: message ?? "Worker" })
  started.postMessage(given, [port])
}, { once: true })
