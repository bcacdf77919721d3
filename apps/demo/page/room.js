// A room: who is in it, what is said, and a word of one's own. 500 lines are kept, 100 rooms shown.
import { append, at, make, visible } from "./elements.js"

const maxLines = 500
const maxRooms = 100
const everyMillis = 5000

const whys = { left: "", slow: ": too slow", gone: ": the connection ended" }
let source
let token

const lineOf = (event) => {
  if (event._tag === "Said") return `#${event.seq} ${event.name}: ${visible(event.text)}`
  return event._tag === "Joined" ? `${event.name} joined` : `${event.name} left${whys[event.why]}`
}

const leave = (why) => {
  source?.close()
  token = undefined
  at("say").hidden = true
  at("state").textContent = why
}

const join = () => {
  leave("joining")
  const room = at("room").value
  const name = at("name").value
  at("log").replaceChildren()
  source = new EventSource(`/room?${new URLSearchParams({ room, name })}`)
  source.addEventListener("welcome", ({ data }) => {
    token = JSON.parse(data).token
    at("say").hidden = false
    at("state").textContent = `in ${room} as ${name}`
    at("text").focus()
    void list()
  })
  source.addEventListener("refused", ({ data }) => leave(JSON.parse(data).message))
  source.addEventListener("error", () => {
    token = undefined
    at("state").textContent = "the connection is lost: trying again"
  })
  source.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data)
    append(at("log"), make("li", event._tag === "Said" ? "said" : "event", lineOf(event)), maxLines)
  })
}

const say = async () => {
  const text = at("text").value
  const answer = await fetch("/say", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token, text })
  }).catch(() => undefined)
  if (answer?.ok) at("text").value = ""
  else at("state").textContent = answer === undefined ? "not sent" : (await answer.json()).message
}

/** Those with the most members first; one click chooses. */
const list = async () => {
  if (document.hidden) return
  const answer = await fetch("/rooms").catch(() => undefined)
  if (!answer?.ok) return
  const rooms = (await answer.json()).toSorted((a, b) => b.members - a.members || b.last - a.last)
  const focused = document.activeElement?.closest("#rooms") && document.activeElement.dataset.room
  at("rooms").replaceChildren(
    ...rooms.slice(0, maxRooms).map(({ last, members, room }) => {
      const button = make("button", "", `${room} (${members} here, ${last} said)`)
      button.dataset.room = room
      button.addEventListener("click", () => {
        at("room").value = room
        at("name").focus()
      })
      const item = make("li")
      item.append(button)
      return item
    })
  )
  if (rooms.length > maxRooms) at("rooms").append(make("li", "dim", `and ${rooms.length - maxRooms} more`))
  if (focused) at("rooms").querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus()
}

export const startRoom = () => {
  at("join").addEventListener("submit", (event) => {
    event.preventDefault()
    join()
  })
  at("say").addEventListener("submit", (event) => {
    event.preventDefault()
    void say()
  })
  at("name").focus()
  void list()
  setInterval(list, everyMillis)
}
