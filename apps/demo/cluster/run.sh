#!/usr/bin/env bash
# PostgreSQL, two nodes of the rooms and HAProxy in front of them, all on loopback, until SIGINT or SIGTERM:
#
#   apps/demo/cluster/run.sh                        then: nc 127.0.0.1 8888, twice; kill -9 a node; its id is printed
#   DIR=./rooms-cluster apps/demo/cluster/run.sh    keeps the database for the next time
#
# In Debian: apt-get install postgresql haproxy netcat-openbsd
set -euo pipefail
cd "$(dirname "$0")/../../.."

export FRONT_LINES=${FRONT_LINES:-8888} FRONT_TYPED=${FRONT_TYPED:-8889} POSTGRES=${POSTGRES:-8890}
export A_NODE=${A_NODE:-8901} A_LINES=${A_LINES:-8902} A_TYPED=${A_TYPED:-8903} A_WEB=${A_WEB:-8904}
export B_NODE=${B_NODE:-8911} B_LINES=${B_LINES:-8912} B_TYPED=${B_TYPED:-8913} B_WEB=${B_WEB:-8914}
PATH=$PWD/node_modules/.bin:$PATH

temporary=
if [ -z "${DIR:-}" ]; then
  DIR=$(mktemp -d) temporary=$DIR
fi
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
export DIR

# Each in a session of its own: Ctrl-C is for this script, which stops them in order.
nodes=() postgres=
stop() {
  trap '' INT TERM
  for pid in "${nodes[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${nodes[@]}"; do wait "$pid" || true; done
  if [ -n "$postgres" ]; then
    kill -INT "$postgres" 2>/dev/null || true
    wait "$postgres" || true
  fi
  [ -z "$temporary" ] || rm -rf "$temporary"
}
trap stop EXIT
trap 'exit 0' INT TERM

await() { # its name and id, and the command that says that it is ready
  local name=$1 pid=$2
  shift 2
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || break
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  echo "$name is not ready:" >&2
  cat "$DIR/$name.log" >&2
  exit 1
}

setsid apps/demo/cluster/postgres.sh >"$DIR/postgres.log" 2>&1 &
postgres=$!
await postgres "$postgres" pg_isready -h 127.0.0.1 -p "$POSTGRES" -U rooms
echo "postgres $postgres"

node() { # name, then its ports: node, lines, typed, web; and options
  local name=$1 node=$2 lines=$3 typed=$4 web=$5
  shift 5
  setsid node --conditions=@framewire/source apps/demo/src/main.ts serve rooms \
    --cluster "postgres://rooms@127.0.0.1:$POSTGRES/postgres" --node "127.0.0.1:$node" --proxy 127.0.0.0/8 \
    --lines "127.0.0.1:$lines" --typed "127.0.0.1:$typed" --web "127.0.0.1:$web" "$@" >"$DIR/$name.log" 2>&1 &
}
node a "$A_NODE" "$A_LINES" "$A_TYPED" "$A_WEB" "$@"
nodes+=($!)
node b "$B_NODE" "$B_LINES" "$B_TYPED" "$B_WEB" "$@"
nodes+=($!)
await a "${nodes[0]}" grep -qx ready "$DIR/a.log"
await b "${nodes[1]}" grep -qx ready "$DIR/b.log"
setsid haproxy -db -f apps/demo/cluster/haproxy.cfg >"$DIR/haproxy.log" 2>&1 &
nodes+=($!)
await haproxy "${nodes[2]}" nc -z 127.0.0.1 "$FRONT_TYPED"

echo "node a ${nodes[0]} http://127.0.0.1:$A_WEB"
echo "node b ${nodes[1]} http://127.0.0.1:$B_WEB"
echo "haproxy ${nodes[2]}"
echo "lines 127.0.0.1:$FRONT_LINES"
echo "typed 127.0.0.1:$FRONT_TYPED"
echo ready
wait "${nodes[@]}"
