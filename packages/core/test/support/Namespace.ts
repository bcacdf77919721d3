// A network, mounts and processes of its own (namespaces of Linux), which end with the program that runs there.
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import * as Child from "./Child.ts"

// Where this user is not root, it is there.
const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child"]
  .concat(process.getuid?.() === 0 ? [] : ["--map-root-user"])

const tools = { unshare: "util-linux", setpriv: "util-linux", ip: "iproute2", nft: "nftables", perl: "perl-base" }

/** The first tool that is missing. It has to be here where FRAMEWIRE_REQUIRE_PEERS is set, as .ci/run does. */
export const lacks: string | undefined = process.platform === "linux"
  ? Object.entries(tools)
    .filter(([tool]) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0)
    .map(([tool, debian]) => `no ${tool} (in Debian: ${debian})`)[0]
  : "no namespaces but on Linux"

const refusal = (): string | undefined => {
  const args = [...namespaces, "sh", "-ec", "ip link set lo up; nft list tables; mount -t tmpfs none /mnt"]
  const { status, stderr } = spawnSync("unshare", args, { encoding: "utf8", timeout: 15_000 })
  return status === 0 ? undefined : `no right to make a network, ${stderr.trim()}`
}

const problem = lacks ?? refusal()

/** Whether its tests are to be skipped. */
export const skipped: boolean = problem !== undefined &&
  (lacks === undefined || process.env["FRAMEWIRE_REQUIRE_PEERS"] === undefined)

/** The problem, as the end of a title. */
export const note: string = problem === undefined ? "" : `: ${problem}`

/** Runs the program there, after the shell has made the network: stop at what fails, and be root of the namespace. */
export const start = (
  shell: string,
  program: string,
  args: ReadonlyArray<string>
): Effect.Effect<Child.Child, never, Scope.Scope> =>
  Child.start("unshare", [...namespaces, "bash", "-ec", `${shell}\nexec "$0" "$@"`, program, ...args])
