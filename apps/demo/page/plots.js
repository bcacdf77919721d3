// Rates of the last two minutes, and the sizes of all frames.
import { at, makeSvg } from "./elements.js"

const maxRates = 120
const sides = ["client", "server"]

const rates = []
const sizes = { client: Array(8).fill(0), server: Array(8).fill(0) }

const draw = () => {
  const most = Math.max(1, ...rates.flatMap(({ client, server }) => [client.bytes, server.bytes]))
  at("rates").replaceChildren(...sides.map((side) =>
    makeSvg("polyline", {
      class: side,
      points: rates.map((rate, i) => `${maxRates - rates.length + i},${46 - 44 * rate[side].bytes / most}`).join(" ")
    })
  ))
  const tallest = Math.max(1, ...sizes.client, ...sizes.server)
  at("sizes").replaceChildren(...sides.flatMap((side, which) =>
    sizes[side].map((count, i) => {
      const height = 44 * count / tallest
      return makeSvg("rect", { class: side, x: i * 15 + which * 6, y: 46 - height, width: 5, height })
    })
  ))
}

export const plot = (event) => {
  rates.push(event)
  if (rates.length > maxRates) rates.shift()
  for (const side of sides) event[side].sizes.forEach((count, i) => sizes[side][i] += count)
  draw()
  const { client, open, server } = event
  at("rate").textContent = `${open} open, ${client.bytes + server.bytes} B/s, ${client.frames + server.frames} frames/s`
}
