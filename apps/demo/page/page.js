// The page of a tap, of rooms, or of both: the server says which.
import { startRoom } from "./room.js"
import { startWire } from "./wire.js"

const parts = document.documentElement.dataset.parts.split(" ")
if (parts.includes("room")) startRoom()
if (parts.includes("wire")) startWire()
