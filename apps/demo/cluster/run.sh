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
newest=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$PWD/node_modules/.bin:$PATH:$newest

# PostgreSQL does not run as root.
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)

temporary=
if [ -z "${DIR:-}" ]; then
  DIR=$(mktemp -d) temporary=$DIR
fi
mkdir -p "$DIR/data"
chmod 711 "$DIR"
DIR=$(cd "$DIR" && pwd)
[ "$(id -u)" != 0 ] || chown postgres "$DIR/data"

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

until_ok() { # what, command
  local what=$1
  shift
  for _ in $(seq 300); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  echo "$what is not ready in 30 s" >&2
  cat "$DIR"/*.log >&2
  exit 1
}

# A locale of its own keeps PostgreSQL from needing one of the machine.
[ -f "$DIR/data/PG_VERSION" ] ||
  "${as[@]}" initdb -D "$DIR/data" -U rooms -A trust -E UTF8 --locale=C >"$DIR/initdb.log" 2>&1 ||
  { cat "$DIR/initdb.log" >&2 && exit 1; }
"${as[@]}" postgres -D "$DIR/data" -h 127.0.0.1 -p "$POSTGRES" -k "" >"$DIR/postgres.log" 2>&1 &
postgres=$!
until_ok postgres pg_isready -q -h 127.0.0.1 -p "$POSTGRES" -U rooms

node() { # name, then its ports: node, lines, typed, web; and options
  local name=$1 node=$2 lines=$3 typed=$4 web=$5
  shift 5
  command node --conditions=@framewire/source apps/demo/src/main.ts serve rooms \
    --cluster "postgres://rooms@127.0.0.1:$POSTGRES/postgres" --node "127.0.0.1:$node" --proxy 127.0.0.0/8 \
    --lines "127.0.0.1:$lines" --typed "127.0.0.1:$typed" --web "127.0.0.1:$web" "$@" >"$DIR/$name.log" 2>&1 &
}
node a "$A_NODE" "$A_LINES" "$A_TYPED" "$A_WEB" "$@"
nodes+=($!)
node b "$B_NODE" "$B_LINES" "$B_TYPED" "$B_WEB" "$@"
nodes+=($!)
until_ok "node a" grep -qx ready "$DIR/a.log"
until_ok "node b" grep -qx ready "$DIR/b.log"
haproxy -db -f apps/demo/cluster/haproxy.cfg >"$DIR/haproxy.log" 2>&1 &
nodes+=($!)
until_ok haproxy nc -z 127.0.0.1 "$FRONT_TYPED"

echo "postgres $postgres"
echo "node a ${nodes[0]} http://127.0.0.1:$A_WEB"
echo "node b ${nodes[1]} http://127.0.0.1:$B_WEB"
echo "haproxy ${nodes[2]}"
echo "lines 127.0.0.1:$FRONT_LINES"
echo "typed 127.0.0.1:$FRONT_TYPED"
echo ready
wait "$postgres"
