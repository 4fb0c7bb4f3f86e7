# Stands in for whoever carries out the commands of a page: the second terminal, and Ctrl-C.
# The page's own commands follow it.
set -euo pipefail

declare -A servers=()

stop_all() {
  local server
  for server in "${servers[@]}"; do kill -TERM "$server" 2>/dev/null || true; done
  wait || true
}
trap stop_all EXIT
trap 'exit 1' TERM

# Revocations and counts take longer to arrive on a machine that runs many tests at once.
sleep() { command sleep "$(($1 + 2))"; }

# Runs a server as in another terminal, until it listens; the one that listened there is stopped first.
in_another_terminal() { # HOST:PORT COMMAND...
  local place=$1 port=${1##*:}
  shift
  if [ -n "${servers[$place]:-}" ]; then
    kill -TERM "${servers[$place]}" 2>/dev/null || true
    wait "${servers[$place]}" || true
  fi
  "$@" >>"server-$port.log" 2>&1 &
  servers[$place]=$!
  until (exec 3<>"/dev/tcp/${place%:*}/$port") 2>/dev/null; do
    kill -0 "${servers[$place]}" 2>/dev/null || { cat "server-$port.log" >&2; return 1; }
    command sleep 0.02
  done
}

bitting() {
  if [ "${1:-}" != serve ]; then
    command bitting "$@"
    return
  fi
  local place=$BITTING_LISTEN argument before=""
  for argument; do
    [ "$before" != --listen ] || place=$argument
    before=$argument
  done
  in_another_terminal "$place" command bitting "$@"
  until curl -sf -o /dev/null "http://$place/readyz"; do
    kill -0 "${servers[$place]}" 2>/dev/null || { cat "server-${place##*:}.log" >&2; return 1; }
    command sleep 0.02
  done
}

examples/orders-api() { in_another_terminal "127.0.0.1:$ORDERS_PORT" examples/./orders-api "$ORDERS_PORT"; }

# The id that stands behind key_01… or key_02…: that of the newest live key, or the one before.
key_id() { # 1|2
  local made
  made=$(command bitting key list --status active --json | grep -o '^{"id":"[^"]*' | cut -d'"' -f4)
  while [ "$(grep -c . <<<"$made")" -lt "$1" ]; do
    command bitting key create --name another --scope "$ANY_SCOPE" --expires 90d >/dev/null || return 1
    made=$(command bitting key list --status active --json | grep -o '^{"id":"[^"]*' | cut -d'"' -f4)
  done
  sed -n "$1p" <<<"$made"
}

# What the answer must say that a comment promises, such as "# 403: orders:write is missing".
promised() { # STATUS
  cat answer
  grep -qE "^HTTP/[0-9.]+ $1" answer || { echo "the page promises $1" >&2; return 1; }
}
