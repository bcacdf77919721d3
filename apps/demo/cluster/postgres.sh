#!/usr/bin/env bash
# PostgreSQL on 127.0.0.1:$POSTGRES with its data in $DIR/data, for the user `rooms`, in the foreground.
set -euo pipefail
PATH=$PATH:$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)

# It does not run as root.
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  chmod a+x "$DIR"
  install -d -m 700 -o postgres "$DIR/data"
fi
# The locale C is on every machine.
[ -f "$DIR/data/PG_VERSION" ] || "${as[@]}" initdb -D "$DIR/data" -U rooms -A trust -E UTF8 --locale=C --no-sync
exec "${as[@]}" postgres -D "$DIR/data" -h 127.0.0.1 -p "$POSTGRES" -k ""
