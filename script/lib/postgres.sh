# shellcheck shell=bash
# A PostgreSQL of our own for the tests; sourced by script/test and by people:
#
#   . script/lib/setup.sh; . script/lib/postgres.sh; start_postgres; …; stop_postgres
#
# start_postgres installs Debian's server when there is none, starts a cluster in a temporary folder
# on a spare port of the loopback address as an unprivileged user, and exports
# BASALT_TEST_POSTGRES_URL. Disk flushes are off unless BASALT_TEST_POSTGRES_FSYNC=on: nobody cuts
# the power during these tests.

postgres_dir=""
postgres_bin=""
postgres_port=""

find_postgres() {
  local dir
  for dir in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin /usr/local/bin /usr/bin; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ]; then
      postgres_bin="$dir"
    fi
  done
  [ -n "$postgres_bin" ]
}

# need_postgres: installs Debian's server when there is none.
need_postgres() {
  find_postgres && return
  if ! has apt-get; then
    echo "PostgreSQL is missing: install a server of version 13 or later" >&2
    return 1
  fi
  # Debian would make a cluster of its own.
  local choice=/etc/postgresql-common/createcluster.conf
  [ -e "$choice" ] ||
    as_root sh -c "mkdir -p ${choice%/*} && echo 'create_main_cluster = false' >$choice"
  apt_install_idle postgresql
  find_postgres
}

# The server refuses to run as root.
as_postgres() {
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  else
    (cd / && setpriv --reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --clear-groups \
      env HOME="$postgres_dir" "$@")
  fi
}

start_postgres() {
  need_postgres
  local fsync="${BASALT_TEST_POSTGRES_FSYNC:-off}"
  postgres_dir="$(mktemp -d "${TMPDIR:-/tmp}/basalt-postgres.XXXXXX")"
  postgres_user=nobody
  if [ "$(id -u)" -eq 0 ]; then
    id postgres >/dev/null 2>&1 && postgres_user=postgres
    chown "$postgres_user" "$postgres_dir"
  fi
  as_postgres "$postgres_bin/initdb" -D "$postgres_dir/data" -U basalt -A trust -E UTF8 \
    --locale=C --no-sync >"$postgres_dir/initdb.log" 2>&1 ||
    { cat "$postgres_dir/initdb.log" >&2; return 1; }
  cat >>"$postgres_dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$postgres_dir'
max_connections = 600
shared_buffers = 128MB
fsync = $fsync
full_page_writes = $fsync
max_locks_per_transaction = 256
autovacuum_naptime = 5s
CONF
  launch_postgres data
  BASALT_TEST_POSTGRES_URL="postgres://basalt@127.0.0.1:$postgres_port/postgres"
  BASALT_TEST_POSTGRES_DATA="$postgres_dir/data"
  export BASALT_TEST_POSTGRES_URL BASALT_TEST_POSTGRES_DATA
}

# launch_postgres FOLDER: starts the cluster of that folder and sets postgres_port.
launch_postgres() {
  local tried
  for tried in 1 2 3 4 5 6 7 8 9 10; do
    postgres_port=$((20000 + RANDOM % 12000))
    if as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/$1" -s -w -t 60 -o "-p $postgres_port" \
      -l "$postgres_dir/$1.log" start >/dev/null 2>&1; then
      return
    fi
  done
  cat "$postgres_dir/$1.log" >&2
  return 1
}

# start_waiting_postgres: a second, small cluster beside the first. Its durable commits wait for a
# standby that never comes, until they are cancelled. Exports BASALT_TEST_POSTGRES_WAITING_URL.
start_waiting_postgres() {
  as_postgres "$postgres_bin/initdb" -D "$postgres_dir/waiting" -U basalt -A trust -E UTF8 \
    --locale=C --no-sync >"$postgres_dir/initdb.log" 2>&1 ||
    { cat "$postgres_dir/initdb.log" >&2; return 1; }
  cat >>"$postgres_dir/waiting/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$postgres_dir'
max_connections = 100
shared_buffers = 16MB
fsync = off
synchronous_standby_names = 'nobody'
synchronous_commit = local
CONF
  launch_postgres waiting
  BASALT_TEST_POSTGRES_WAITING_URL="postgres://basalt@127.0.0.1:$postgres_port/postgres"
  export BASALT_TEST_POSTGRES_WAITING_URL
}

stop_postgres() {
  [ -n "$postgres_dir" ] || return 0
  local folder
  for folder in data waiting; do
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/$folder" -s -m immediate stop >/dev/null 2>&1 || true
  done
  rm -rf "$postgres_dir"
  postgres_dir=""
  unset BASALT_TEST_POSTGRES_URL BASALT_TEST_POSTGRES_DATA BASALT_TEST_POSTGRES_WAITING_URL
}
