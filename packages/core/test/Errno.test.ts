// Every code that the kernel and the resolver can be made to give, each as the error that it becomes. What is in no row:
//
// - EPERM: Linux gives it to TCP only by a BPF program of a control group. ENFILE, ENOBUFS and ENOMEM would take the
//   whole machine's. EAFNOSUPPORT needs a kernel without IPv6; EHOSTDOWN and ENONET an old router; ENETDOWN and ENOTCONN
//   an interface or a peer that goes in the middle of a system call.
// - EAI_FAIL, EAI_MEMORY and EAI_ADDRFAMILY: nothing made glibc answer so. EAI_NODATA and EAI_NONAME: Node says ENOTFOUND.
// - What accept(2) fails with: libuv keeps it to itself.
// - What we refuse before any system call, and our own deadlines after it: see TransportError.test.ts, Deadlines.test.ts.
import { assert, beforeAll, describe, it } from "@effect/vitest"
import type { Address, Transport, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import * as Namespace from "./support/Namespace.ts"
import type { Answer, Fault, Order } from "./support/Provoked.ts"

/** One error: what the platform says, when, to what, and what of it comes out. */
type Row = readonly [
  code: string | undefined,
  when: string,
  order: Order,
  reason: TransportReason.TransportReason["_tag"],
  retry: TransportReason.Retry
]

interface Setting {
  /** Makes the network. It is empty, and its loopback interface is down. */
  readonly shell: string
  /** What the process must not have. */
  readonly without?: "capabilities" | "descriptors"
  readonly rows: ReadonlyArray<Row>
}

type Options = Transport.ConnectOptions

const at = (host: string, port = 0): Address.Address => ({ host, port })
// The kernel's own deadlines are to come before ours.
const connect = (host: string, port = 80, options?: Options): Order => ({
  connect: at(host, port),
  options: { timeout: "14 seconds", ...options }
})
const connectPath = (path: string): Order => ({ connect: { path } })
const listen = (host: string, port = 0): Order => ({ listen: at(host, port) })
const listenPath = (path: string): Order => ({ listen: { path } })
const receive = (port: number, fault: Fault, options?: Options): Order => ({
  receive: at("127.0.0.1", port),
  fault,
  options
})
const send = (port: number, fault: Fault, host = "127.0.0.1"): Order => ({ send: at(host, port), fault })

/** What becomes of the packets that come for the port. */
const firewall = (port: number, verdict: string): string => `nft add rule inet t incoming tcp dport ${port} ${verdict}`
const rejecting = (icmp: string) => `meta nfproto ipv4 reject with icmp type ${icmp}`
const rejecting6 = (icmp: string) => `meta nfproto ipv6 reject with icmpv6 type ${icmp}`
const fault = (port: number, verdict: string): Fault => ({ shell: firewall(port, verdict) })

const settings: Record<string, Setting> = {
  "routes": {
    shell: `
      ip link set lo up
      ip route add unreachable 192.0.2.1
      ip route add prohibit 192.0.2.2
      ip route add blackhole 192.0.2.3
      ip link add name lan type veth peer name far
      ip address add 10.1.0.1/24 dev lan
      ip link set lan up
      ip link set far up
      sysctl -qw net.ipv4.neigh.lan.retrans_time_ms=20
      perl -MSocket -e 'socket S, AF_INET, SOCK_STREAM, 0; bind S, sockaddr_in(7000, INADDR_LOOPBACK); listen S, 1; sleep 60' &
      until grep -q 0100007F:1B58 /proc/net/tcp; do sleep 0.01; done`,
    rows: [
      ["ENETUNREACH", "there is no route", connect("198.51.100.1"), "Unreachable", "after-backoff"],
      ["ENETUNREACH", "there is no route, IPv6", connect("2001:db8::1"), "Unreachable", "after-backoff"],
      ["ENETUNREACH", "it is a broadcast address", connect("10.1.0.255"), "Unreachable", "after-backoff"],
      ["EHOSTUNREACH", "the route says so", connect("192.0.2.1"), "Unreachable", "after-backoff"],
      ["EHOSTUNREACH", "no neighbour has the address (ARP)", connect("10.1.0.2"), "Unreachable", "after-backoff"],
      ["EACCES", "the route prohibits it", connect("192.0.2.2"), "PermissionDenied", "never"],
      ["EINVAL", "the route is a black hole", connect("192.0.2.3"), "InvalidAddress", "never"],
      ["EINVAL", "a link-local address without its interface", listen("fe80::1"), "InvalidAddress", "never"],
      ["ECONNREFUSED", "nobody listens there", connect("127.0.0.1"), "ConnectionRefused", "after-backoff"],
      ["EADDRINUSE", "another listens there", listen("127.0.0.1", 7000), "AddressInUse", "never"],
      [
        "EADDRINUSE",
        "another listens on our end",
        connect("127.0.0.1", 80, { localAddress: { host: "127.0.0.1", port: 7000 } }),
        "AddressInUse",
        "never"
      ],
      ["EADDRNOTAVAIL", "it is another host's", listen("192.0.2.1"), "AddressNotAvailable", "after-backoff"],
      [
        "EADDRNOTAVAIL",
        "our end is another host's",
        connect("127.0.0.1", 80, { localAddress: { host: "192.0.2.1" } }),
        "AddressNotAvailable",
        "after-backoff"
      ]
    ]
  },
  "no loopback interface": {
    shell: "",
    rows: [
      ["ENETUNREACH", "127.0.0.1 is called", connect("127.0.0.1"), "Unreachable", "after-backoff"],
      ["EADDRNOTAVAIL", "::1 is called", connect("::1"), "AddressNotAvailable", "after-backoff"],
      ["EADDRNOTAVAIL", "it listens on ::1", listen("::1"), "AddressNotAvailable", "after-backoff"]
    ]
  },
  "IPv6 disabled": {
    shell: "ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
    rows: [
      ["EADDRNOTAVAIL", "::1 is called", connect("::1"), "AddressNotAvailable", "after-backoff"],
      ["EADDRNOTAVAIL", "it listens on ::1", listen("::1"), "AddressNotAvailable", "after-backoff"]
    ]
  },
  "one port of its own": {
    shell: `
      ip link set lo up
      sysctl -qw net.ipv4.ip_local_port_range="40000 40000"
      nft add table inet t
      nft "add chain inet t incoming { type filter hook input priority 0; }"
      ${firewall(1, "drop")}`,
    rows: [
      [
        undefined,
        "our deadline comes before the kernel's",
        connect("127.0.0.1", 1, { timeout: "200 millis" }),
        "TimedOut",
        "after-backoff"
      ],
      [
        "EADDRNOTAVAIL",
        "the one before has it",
        connect("127.0.0.1", 1, { timeout: "200 millis" }),
        "AddressNotAvailable",
        "after-backoff"
      ]
    ]
  },
  "a firewall": {
    shell: `
      ip link set lo up
      sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv4.tcp_syn_retries=1
      nft add table inet t
      nft "add chain inet t incoming { type filter hook input priority 0; }"
      ${firewall(1, "drop")}
      ${firewall(2, "reject with tcp reset")}
      ${firewall(3, rejecting("net-unreachable"))}
      ${firewall(3, rejecting6("no-route"))}
      ${firewall(4, rejecting("host-unreachable"))}
      ${firewall(4, rejecting6("addr-unreachable"))}
      ${firewall(5, rejecting("admin-prohibited"))}
      ${firewall(5, rejecting6("admin-prohibited"))}
      ${firewall(6, rejecting("port-unreachable"))}
      ${firewall(7, rejecting("prot-unreachable"))}`,
    rows: [
      ["ETIMEDOUT", "nothing answers SYN", connect("127.0.0.1", 1), "TimedOut", "after-backoff"],
      ["ECONNREFUSED", "it answers RST", connect("127.0.0.1", 2), "ConnectionRefused", "after-backoff"],
      ["ECONNREFUSED", "it answers port unreachable", connect("127.0.0.1", 6), "ConnectionRefused", "after-backoff"],
      ["ENETUNREACH", "it answers network unreachable", connect("127.0.0.1", 3), "Unreachable", "after-backoff"],
      ["ENETUNREACH", "it answers no route, IPv6", connect("::1", 3), "Unreachable", "after-backoff"],
      ["EHOSTUNREACH", "it answers host unreachable", connect("127.0.0.1", 4), "Unreachable", "after-backoff"],
      ["EHOSTUNREACH", "it answers address unreachable, IPv6", connect("::1", 4), "Unreachable", "after-backoff"],
      ["EHOSTUNREACH", "it answers prohibited", connect("127.0.0.1", 5), "Unreachable", "after-backoff"],
      ["EACCES", "it answers prohibited, IPv6", connect("::1", 5), "PermissionDenied", "never"],
      ["ENOPROTOOPT", "it answers protocol unreachable", connect("127.0.0.1", 7), "Unreachable", "after-backoff"]
    ]
  },
  "a connection that stands": {
    shell: `
      ip link set lo up
      sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv4.tcp_retries2=1
      nft add table inet t
      nft "add chain inet t incoming { type filter hook input priority 0; }"`,
    rows: [
      ["ECONNRESET", "the peer resets", receive(7001, { peer: "resetAndDestroy" }), "ConnectionReset", "unsafe"],
      ["ECONNRESET", "the peer resets", send(7002, { peer: "resetAndDestroy" }), "ConnectionReset", "unsafe"],
      [
        "ECONNRESET",
        "a firewall resets",
        send(7003, fault(7003, "reject with tcp reset")),
        "ConnectionReset",
        "unsafe"
      ],
      [
        "ECONNABORTED",
        "an administrator ends it",
        receive(7004, { shell: "ss -K dport = 7004" }),
        "ConnectionReset",
        "unsafe"
      ],
      ["EPIPE", "the peer is gone", send(7005, { peer: "destroy" }), "BrokenPipe", "unsafe"],
      [
        "ETIMEDOUT",
        "keep-alive gives up",
        receive(7006, fault(7006, "drop"), { keepAlive: { idle: "1 second", interval: "1 second", count: 1 } }),
        "TimedOut",
        "unsafe"
      ],
      ["ETIMEDOUT", "retransmission gives up", send(7007, fault(7007, "drop")), "TimedOut", "unsafe"],
      [
        "ENETUNREACH",
        "a router says so",
        send(7008, fault(7008, rejecting("net-unreachable"))),
        "Unreachable",
        "unsafe"
      ],
      [
        "EHOSTUNREACH",
        "a router says so",
        send(7009, fault(7009, rejecting("host-unreachable"))),
        "Unreachable",
        "unsafe"
      ],
      [
        "ECONNREFUSED",
        "a host says so",
        send(7010, fault(7010, rejecting("port-unreachable"))),
        "ConnectionRefused",
        "unsafe"
      ],
      [
        "ENOPROTOOPT",
        "a host says so",
        send(7011, fault(7011, rejecting("prot-unreachable"))),
        "Unreachable",
        "unsafe"
      ],
      [
        "EACCES",
        "a firewall says so, IPv6",
        send(7012, fault(7012, rejecting6("admin-prohibited")), "::1"),
        "PermissionDenied",
        "unsafe"
      ]
    ]
  },
  "no capabilities": {
    shell: `
      ip link set lo up
      mount -t tmpfs none /mnt
      mkdir /mnt/shut
      perl -MSocket -e 'socket S, AF_UNIX, SOCK_STREAM, 0; bind S, sockaddr_un("/mnt/mute"); listen S, 1; sleep 60' &
      until [ -S /mnt/mute ]; do sleep 0.01; done
      chmod 0 /mnt/mute
      chmod 500 /mnt/shut`,
    without: "capabilities",
    rows: [
      ["EACCES", "the port is privileged", listen("127.0.0.1", 80), "PermissionDenied", "never"],
      [
        "EACCES",
        "the directory of the path is not to be written",
        listenPath("/mnt/shut/s"),
        "PermissionDenied",
        "never"
      ],
      ["EACCES", "the socket at the path is not to be written", connectPath("/mnt/mute"), "PermissionDenied", "never"]
    ]
  },
  "files": {
    shell: `
      mount -t tmpfs -o nr_inodes=5 none /mnt
      mkdir /mnt/fixed
      mount --bind /mnt/fixed /mnt/fixed
      mount -o remount,bind,ro /mnt/fixed
      touch /mnt/file_
      perl -MSocket -e 'socket S, AF_UNIX, SOCK_DGRAM, 0; bind S, sockaddr_un("/mnt/datagrams"); sleep 60' &
      perl -MSocket -e '
        socket S, AF_UNIX, SOCK_STREAM, 0; bind S, sockaddr_un("/mnt/full"); listen S, 0;
        socket C, AF_UNIX, SOCK_STREAM, 0; connect C, sockaddr_un("/mnt/full"); rename "/mnt/file_", "/mnt/file"; sleep 60' &
      until [ -S /mnt/datagrams -a -f /mnt/file ]; do sleep 0.01; done`,
    rows: [
      ["EROFS", "the path is on a read-only file system", listenPath("/mnt/fixed/s"), "PermissionDenied", "never"],
      ["ENOSPC", "the path is on a full file system", listenPath("/mnt/s"), "ResourceExhausted", "after-backoff"],
      [
        "EACCES",
        "the directory of the path is missing (libuv)",
        listenPath("/mnt/none/s"),
        "PermissionDenied",
        "never"
      ],
      ["ENOTDIR", "the path leads through a file", listenPath("/mnt/file/s"), "InvalidAddress", "never"],
      ["EADDRINUSE", "a file is at the path", listenPath("/mnt/file"), "AddressInUse", "never"],
      ["EADDRINUSE", "a socket of datagrams is at the path", listenPath("/mnt/datagrams"), "AddressInUse", "never"],
      ["EPROTOTYPE", "a socket of datagrams is at the path", connectPath("/mnt/datagrams"), "InvalidAddress", "never"],
      ["ECONNREFUSED", "a file is at the path", connectPath("/mnt/file"), "ConnectionRefused", "after-backoff"],
      ["EAGAIN", "nobody accepts at the path", connectPath("/mnt/full"), "ResourceExhausted", "after-backoff"],
      ["ENOENT", "nothing is at the path", connectPath("/mnt/none"), "ConnectionRefused", "after-backoff"]
    ]
  },
  "no descriptors": {
    // Whom a host asks first is its own choice, and so is what they say then.
    shell: `
      ip link set lo up
      mount -t tmpfs none /mnt
      echo "hosts: files dns" > /mnt/nsswitch.conf
      mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
      ulimit -n 64`,
    without: "descriptors",
    rows: [
      ["EMFILE", "none is left for a socket", connect("127.0.0.1"), "ResourceExhausted", "after-backoff"],
      ["EMFILE", "none is left for the resolver", connect("name.invalid"), "ResourceExhausted", "after-backoff"],
      ["EMFILE", "none is left for a Unix socket", connectPath("/mnt/none"), "ResourceExhausted", "after-backoff"],
      ["EMFILE", "none is left for a listener", listen("127.0.0.1"), "ResourceExhausted", "after-backoff"],
      ["EMFILE", "none is left for a Unix listener", listenPath("/mnt/none"), "ResourceExhausted", "after-backoff"]
    ]
  },
  "a resolver": {
    // It answers with the error of its choice, which the first label of the name says, or not at all.
    shell: `
      ip link set lo up
      mount -t tmpfs none /mnt
      echo "hosts: files dns" > /mnt/nsswitch.conf
      mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
      printf "nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n" > /mnt/resolv.conf
      mount --bind /mnt/resolv.conf /etc/resolv.conf
      echo "127.0.0.1 four" > /mnt/hosts
      mount --bind /mnt/hosts /etc/hosts
      ${process.execPath} -e '
        const socket = require("node:dgram").createSocket("udp4").bind(53, "127.0.0.1")
        const codes = { nothing: 0, failure: 2, nobody: 3, refused: 5 }
        socket.on("message", (query, { address, port }) => {
          const code = codes[query.subarray(13, 13 + query[12])]
          if (code === undefined) return
          query.writeUInt16BE(0x8180 | code, 2)
          query[11] = 0
          socket.send(query.subarray(0, query.indexOf(0, 12) + 5), port, address)
        })' &
      until grep -q "0100007F:0035" /proc/net/udp; do sleep 0.01; done`,
    rows: [
      ["ENOTFOUND", "there is no such name", connect("nobody.test"), "NameNotFound", "never"],
      ["ENOTFOUND", "there is no such name", listen("nobody.test"), "NameNotFound", "never"],
      ["ENOTFOUND", "the name has no address", connect("nothing.test"), "NameNotFound", "never"],
      ["ENOTFOUND", "a label has 64 characters", connect(`${"x".repeat(64)}.test`), "NameNotFound", "never"],
      ["EINVAL", "a name has 300 characters", connect("x".repeat(300)), "InvalidAddress", "never"],
      ["EAI_AGAIN", "the resolver has failed", connect("failure.test"), "ResolverUnavailable", "after-backoff"],
      ["EAI_AGAIN", "the resolver refuses", connect("refused.test"), "ResolverUnavailable", "after-backoff"],
      ["EAI_AGAIN", "the resolver is silent", connect("silence.test"), "ResolverUnavailable", "after-backoff"],
      ["EAI_AGAIN", "the resolver is silent", listen("silence.test"), "ResolverUnavailable", "after-backoff"],
      [
        undefined,
        "our deadline comes before the resolver's",
        connect("silence.test", 80, { timeout: "100 millis" }),
        "TimedOut",
        "after-backoff"
      ]
    ]
  },
  "no way to a resolver": {
    shell: `
      ip link set lo up
      mount -t tmpfs none /mnt
      echo "hosts: dns" > /mnt/nsswitch.conf
      mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
      echo "nameserver 192.0.2.1" > /mnt/resolv.conf
      mount --bind /mnt/resolv.conf /etc/resolv.conf`,
    rows: [
      ["EAI_AGAIN", "a name is called", connect("name.test"), "ResolverUnavailable", "after-backoff"],
      ["EAI_AGAIN", "it listens on a name", listen("name.test"), "ResolverUnavailable", "after-backoff"]
    ]
  }
}

const errors = { listen: "ListenError", connect: "ConnectError", receive: "ReceiveError", send: "SendError" } as const

const errorOf = (order: Order): Answer["error"] =>
  "listen" in order
    ? errors.listen
    : "connect" in order
    ? errors.connect
    : "receive" in order
    ? errors.receive
    : errors.send

const provoked = ["--conditions=@framewire/source", "--no-warnings", "test/support/Provoked.ts"]

/** Follows all orders of the setting in one process, at once. */
const follow = ({ rows, shell, without }: Setting): Effect.Effect<unknown> => {
  const args = [...provoked, JSON.stringify(rows.map(([, , order]) => order))]
  const program = without === "capabilities"
    ? Namespace.start(shell, "setpriv", ["--bounding-set=-all", "--", process.execPath, ...args])
    : Namespace.start(shell, process.execPath, without === "descriptors" ? [...args, "exhausted"] : args)
  return Effect.scoped(Effect.flatMap(program, ({ next }) => next))
}

describe.skipIf(Namespace.skipped)(`errno${Namespace.note}`, () => {
  it("can be provoked", () => assert.isUndefined(Namespace.lacks))

  let answers: Record<string, unknown>
  // Most of it is waiting for the kernel, so it is done at the same time. Before Node 24.16 keep-alive takes 11 s.
  beforeAll(async () => {
    answers = await Effect.runPromise(Effect.all(Record.map(settings, follow), { concurrency: 6 }))
  })
  for (const [name, { rows }] of Object.entries(settings)) {
    describe(`setting: ${name}`, () => {
      for (const [index, [code = null, when, order, reason, retry]] of rows.entries()) {
        const error = errorOf(order)
        it(`${error} ${code ?? "without a code"}, ${when}: ${reason}`, () => {
          const found = answers[name]
          assert(Array.isArray(found), `the process gave ${found}`)
          assert.deepStrictEqual(found[index], { error, reason, code, retry })
        })
      }
    })
  }
})
