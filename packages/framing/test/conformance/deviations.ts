/**
 * Where we do not give what others give: the rule of design.md (Rules of behaviour, Framing) that we follow, and what we
 * give instead.
 */

export const rules = {
  bug: "A note that begins with BUG marks behaviour not to copy (README of the vectors).",
  bom: "A byte order mark is a character like any other.",
  chunks: "The result never depends on how the bytes were chunked.",
  config: "A bad configuration is refused when the codec is built.",
  cr: "Lines end in LF or CRLF; a lone CR is data.",
  empty: "Zero-length frames are frames.",
  indefinite: "A limit is checked on finished and unfinished frames alike; an indefinite length has nothing to check.",
  length: "A length is 2^53 - 1 at most, a varint 10 bytes at most; it is refused at the byte that goes beyond.",
  message: "A MessageError costs one message, the next is fine.",
  order: "Frames and recoverable errors come out in order: what is skipped is an error, not silence.",
  over: "A frame over the limit is a FrameError, which ends the connection.",
  pending: "A pending delimiter prefix is not counted against the limit.",
  refuse: "An encoder refuses what its own decoder would refuse.",
  skipped: "A frame that is skipped is an error with its size, which is known at its end.",
  tail: "The last line needs no end; a CR at the end of the stream belongs to its terminator.",
  text: "Text is decoded from whole frames.",
  truncate: "A frame that is cut to the limit is followed by an error, and its rest is no frame.",
  truncated: "Truncation at the end of the stream is a typed Truncated, never silence.",
  unfinished: "A limit is inclusive, and checked on finished and unfinished frames alike."
} as const

export type Rule = keyof typeof rules

/** By the vector's id: frames in hex, failures as `!` and the tag of their reason; of an encoder the bytes it writes. */
export const deviations: Readonly<Record<string, readonly [rule: Rule, ...gives: ReadonlyArray<string>]>> = {
  "netty-lf-13": ["truncated", "!Truncated"],
  "netty-line-13": ["pending", "61626364", "7a"],
  "netty-delim-09": ["config", "!InvalidOption"],
  "netty-delim-11": ["pending", "6162", "61", "62"],
  "netty-json-09": ["bug", "7b7d", "7b7d", "7b7d", "7b7d"],
  "netty-varint-05": ["chunks"],
  "tokio-ld-21": ["truncated", "!Truncated"],
  "tokio-lines-01": ["tail", "6c696e652031", "6c696e652032", "6c696e652033", "", ""],
  "tokio-lines-05": ["skipped"],
  "tokio-lines-13": ["pending", "61626364"],
  "tokio-any-05": ["skipped"],
  "twisted-line-09": ["unfinished", "!FrameTooLong"],
  "twisted-lineonly-01": ["pending", "61626364", "7a"],
  "twisted-ns-15": ["length", "!InvalidLength"],
  "twisted-switch-01": [
    "over",
    "6c656e203130",
    "30313233343536373839",
    "6c656e2035",
    "313233340a",
    "6c656e203230",
    "666f6f20313233",
    "303132333435363738390a303132333435363738",
    "6c656e2030",
    "666f6f2035",
    "",
    "!FrameTooLong"
  ],
  "twisted-switch-09": [
    "over",
    "6c656e203130",
    "30313233343536373839",
    "6c656e2035",
    "313233340a",
    "6c656e203230",
    "666f6f20313233",
    "303132333435363738390a303132333435363738",
    "6c656e2030",
    "666f6f2035",
    "",
    "!FrameTooLong"
  ],
  "erl-25": ["truncate", "504f5354202f69", "!FrameTooLong", "6f6b0a"],
  "erl-29": ["indefinite", "!InvalidLength"],
  "erl-31": ["truncated", "61620a", "!Truncated"],
  "go-06": ["truncate", "30313233343536373839616263646566", "!FrameTooLong", "7879"],
  "effect-03": ["message", "31", "!InvalidJson", "32"],
  "effect-07": ["bom", "!InvalidJson"],
  "effect-11": ["cr", "61", "620d0d63"],
  "npm-01": ["unfinished", "!FrameTooLong"],
  "npm-03": ["order", "!FrameTooLong", "6f6b"],
  "npm-06": ["text", "c3a9"],
  "npm-13": ["empty", "", "61"],
  "libp2p-01": ["length", "!InvalidLength"],
  "enc-erlang-01": ["refuse", "!FrameTooLong"]
}
