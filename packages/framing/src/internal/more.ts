/** What a step returns when it has to wait for bytes. A symbol, because any other value can be a message. */
export const more: unique symbol = Symbol.for("@framewire/framing/more")

export type More = typeof more
