// Programs that are not ours, to talk to. Where one is missing its tests are skipped and their title says why; where
// FRAMEWIRE_REQUIRE_PEERS is set, as .ci/run does, they fail.
import { spawnSync } from "node:child_process"

export interface Peer {
  /** Why it cannot be used here. */
  readonly problem: string | undefined
  readonly skipped: boolean
  /** The problem, as the end of a title. */
  readonly note: string
}

/** Looks for a program, which these arguments make print who it is and end: there is more than one `nc`. */
const find = (program: string, args: ReadonlyArray<string>, prints: RegExp, debian: string): Peer => {
  const { error, stderr, stdout } = spawnSync(program, args, { encoding: "utf8", timeout: 15_000, input: "" })
  const problem = error !== undefined
    ? `no ${program} (in Debian: ${debian}), ${error.message}`
    : prints.test(stdout + stderr)
    ? undefined
    : `${program} is not that of ${debian}`
  return {
    problem,
    skipped: problem !== undefined && process.env["FRAMEWIRE_REQUIRE_PEERS"] === undefined,
    note: problem === undefined ? "" : `: ${problem}`
  }
}

export const erlang = (): Peer =>
  find(
    "erl",
    ["-noshell", "-eval", "io:format(\"OTP ~s\", [erlang:system_info(otp_release)]), halt(0)."],
    /^OTP \d+/,
    "erlang-base"
  )

export const netcat = (): Peer => find("nc", ["-h"], /OpenBSD netcat/, "netcat-openbsd")

export const gcc = (): Peer => find("gcc", ["--version"], /./, "gcc, libc6-dev")

export const dig = (): Peer => find("dig", ["-v"], /^DiG /, "bind9-dnsutils")

export const chromium = (): Peer => find("chromium", ["--version"], /^Chromium \d+/, "chromium")

export const logger = (): Peer => find("logger", ["--help"], /--octet-count/, "bsdutils")

export const script = (): Peer => find("script", ["--version"], /^script from util-linux /, "bsdutils")

export const redis = (): Peer => find("redis-cli", ["--version"], /^redis-cli /, "redis-tools")

export const haproxy = (): Peer => find("haproxy", ["-v"], /^HAProxy version/, "haproxy")

export const psql = (): Peer => find("psql", ["--version"], /^psql \(PostgreSQL\) /, "postgresql-client")

export const socketActivate = (): Peer => find("systemd-socket-activate", ["--version"], /^systemd \d+/, "systemd")

export const postgresql = (): Peer =>
  find("sh", ["-c", "ls /usr/lib/postgresql/*/bin/postgres || command -v postgres"], /postgres$/m, "postgresql")

export const curl = (): Peer => find("curl", ["--version"], /^Protocols: .*\bsmtp\b/m, "curl")

export const memcached = (): Peer => find("memcstat", ["--version"], /libmemcached/, "libmemcached-tools")

export const mllp = (): Peer => find("mllp_send", ["--version"], /^\d/, "python3-hl7")
