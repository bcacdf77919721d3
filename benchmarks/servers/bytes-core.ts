// Bytes in, the same bytes out: core's Connection by its fast forms.
import { serve } from "./onCore.ts"

serve((connection) => connection.lendEach(connection.sendAllUnsafe))
