// Bytes in, the same bytes out: bare node:net.
import { serve } from "./byHand.ts"

serve(() => (chunk) => chunk)
