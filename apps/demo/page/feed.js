// A shared worker: one stream of what passes, for all tabs of a browser. It has six connections to a host for all of them.
const maxWaiting = 1024

// The tabs, with what they have not taken yet.
const tabs = new Map()
let source

const tell = (name, data) => {
  for (const [port, tab] of tabs) {
    // A tab that is frozen must not keep all that passes; what it has lost it sees by the numbers.
    if (tab.waiting >= maxWaiting) {
      tab.lost = true
      continue
    }
    tab.waiting++
    port.postMessage([name, data])
  }
}

/** From what is kept on, again for everybody: the tabs know by its number what they have. */
const open = () => {
  source?.close()
  source = new EventSource("/events")
  for (const name of ["open", "error", "message"]) source.addEventListener(name, ({ data }) => tell(name, data))
}

addEventListener("connect", ({ ports: [port] }) => {
  const tab = { waiting: 0, lost: false }
  tabs.set(port, tab)
  port.addEventListener("message", ({ data }) => {
    if (data === "bye") {
      tabs.delete(port)
      if (tabs.size === 0) source.close()
    } else if (--tab.waiting === 0 && tab.lost) {
      tab.lost = false
      open()
    }
  })
  port.start()
  open()
})
