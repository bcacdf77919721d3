// Frames in, frames out, by hand: a 'data' listener, a careful framer, one write a batch.
import { serve } from "./byHand.ts"
import { framer } from "./framer.ts"

serve(framer)
