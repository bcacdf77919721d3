// Everything from the wire becomes text, by textContent alone.
export const at = (id) => document.getElementById(id)

export const make = (name, className, text) => {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  return element
}

export const makeSvg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}

/** Adds at the end of a list, which follows if its end was seen. */
export const append = (list, element, atMost) => {
  const follows = list.scrollTop + list.clientHeight > list.scrollHeight - 30
  list.append(element)
  if (list.children.length > atMost) list.firstElementChild.remove()
  if (follows) list.scrollTop = list.scrollHeight
}

/** Control characters, and those that turn the direction of writing, written out. */
export const visible = (text) =>
  text.replace(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (char) => `\\u{${char.charCodeAt(0).toString(16)}}`
  )
