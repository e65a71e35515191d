# shellcheck shell=bash
# A NATS server for the tests: Debian's, on a spare port of loopback, its files in a temporary
# folder. Sourced after setup.sh; `start_nats` exports BASALT_TEST_NATS_URL, `stop_nats` ends it.

nats_pid=""
nats_dir=""

start_nats() {
  [ -z "${BASALT_TEST_NATS_URL:-}" ] || return 0
  PATH="$PATH:/usr/sbin"
  # In a shell of its own, which is what a failure ends.
  (need_package nats-server nats-server) || true
  hash -r
  if ! has nats-server; then
    [ -z "${CI:-}" ] || fail "nats-server is needed"
    say "nats-server is missing: tests of the bus over NATS are skipped"
    return 0
  fi
  nats_dir="$(mktemp -d)"
  nats-server -a 127.0.0.1 -p -1 --ports_file_dir "$nats_dir" >"$nats_dir/log" 2>&1 &
  nats_pid=$!
  local ports="$nats_dir/nats-server_$nats_pid.ports" tries=0
  until [ -s "$ports" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$nats_pid" 2>/dev/null; then
      cat "$nats_dir/log" >&2
      fail "nats-server does not start"
    fi
    sleep 0.1
  done
  BASALT_TEST_NATS_URL="$(sed -n 's/.*"\(nats:[^"]*\)".*/\1/p' "$ports" | head -n 1)"
  export BASALT_TEST_NATS_URL
}

stop_nats() {
  [ -n "$nats_pid" ] || return 0
  kill "$nats_pid" 2>/dev/null || true
  wait "$nats_pid" 2>/dev/null || true
  rm -rf "$nats_dir"
  nats_pid=""
}
