// The page of a room: what was said is only ever text, and 500 lines are kept.
const at = (id) => document.getElementById(id)
const whys = { left: "", slow: ": too slow", gone: ": the connection ended" }
let source
let token

const show = (text, kind) => {
  const log = at("log")
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 8
  const line = document.createElement("li")
  line.textContent = text
  line.className = kind
  log.append(line)
  if (log.children.length > 500) log.firstElementChild.remove()
  if (follows) log.scrollTop = log.scrollHeight
}

const leave = (why) => {
  source?.close()
  token = undefined
  at("say").hidden = true
  at("state").textContent = why
}

at("join").addEventListener("submit", (event) => {
  event.preventDefault()
  leave("joining")
  const room = at("room").value
  const name = at("name").value
  at("log").replaceChildren()
  source = new EventSource(`/events?${new URLSearchParams({ room, name })}`)
  source.addEventListener("welcome", ({ data }) => {
    token = JSON.parse(data).token
    at("say").hidden = false
    at("state").textContent = `in ${room} as ${name}`
    at("text").focus()
  })
  source.addEventListener("refused", ({ data }) => leave(JSON.parse(data).message))
  source.addEventListener("error", () => {
    token = undefined
    at("state").textContent = "the connection is lost: trying again"
  })
  source.addEventListener("message", ({ data }) => {
    const it = JSON.parse(data)
    if (it._tag === "Said") show(`#${it.seq} ${it.name}: ${it.text}`, "said")
    else show(it._tag === "Joined" ? `${it.name} joined` : `${it.name} left${whys[it.why]}`, "event")
  })
})

at("say").addEventListener("submit", async (event) => {
  event.preventDefault()
  const text = at("text").value
  const answer = await fetch("/say", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token, text })
  }).catch(() => undefined)
  if (answer?.ok) at("text").value = ""
  else at("state").textContent = answer === undefined ? "not sent" : (await answer.json()).message
})
