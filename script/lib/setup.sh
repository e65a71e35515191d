# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: finds or installs what they need. Sourced, not run.

# Where cargo writes; its own variable wins.
target_dir="${CARGO_TARGET_DIR:-target}"

say() {
  printf '\n== %s\n' "$*"
}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# as_root COMMAND…
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@" </dev/null
  else
    has sudo || fail "please run as root: $*"
    sudo "$@" </dev/null
  fi
}

# The package lists may be absent or old on a fresh machine. A failure shows in what comes next.
apt_update() {
  has apt-get || return 0
  as_root apt-get update -qq || true
}

# apt_install PACKAGE…: installs Debian packages, as root or through sudo.
apt_install() {
  has apt-get || fail "please install: $*"
  say "installing $*"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@"
}

# Whether Debian offers a package in some version.
apt_has() {
  has apt-cache && [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]
}

# A C compiler for SQLite and the TLS library; both are compiled from source, neither needs cmake.
need_compiler() {
  local missing=()
  has cc && has make || missing+=(build-essential)
  has pkg-config || missing+=(pkg-config)
  has curl || missing+=(curl ca-certificates)
  if [ "${#missing[@]}" -gt 0 ]; then
    apt_install "${missing[@]}"
  fi
}

# version_at_least HAVE WANT
version_at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

rust_version() {
  cargo --version 2>/dev/null | cut -d ' ' -f 2 || true
}

# Rust of at least the version that Cargo.toml asks for, with clippy and rustfmt if `tools` is given.
need_rust() {
  local want
  want="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
  if [ -f "$HOME/.cargo/env" ]; then
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
  fi
  if ! has cargo && ! has rustup; then
    apt_update
    apt_has rustup || fail "Rust $want or newer is needed and Debian has no rustup here; see https://rustup.rs"
    apt_install rustup
  fi
  local have
  have="$(rust_version)"
  if [ -z "$have" ] || ! version_at_least "$have" "$want"; then
    has rustup || fail "Rust ${have:-(none)} is too old: $want or newer is needed"
    say "installing the stable Rust toolchain"
    rustup toolchain install stable --profile minimal --component clippy,rustfmt
    export RUSTUP_TOOLCHAIN=stable
    have="$(rust_version)"
    version_at_least "${have:-0}" "$want" || fail "Rust $want or newer is needed, found ${have:-none}"
  fi
  if [ "${1:-}" = tools ] && ! { cargo clippy --version && cargo fmt --version; } >/dev/null 2>&1; then
    has rustup || fail "cargo clippy and cargo fmt are needed"
    rustup component add clippy rustfmt
  fi
}

node_major() {
  node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true
}

# Node 20 or newer with npm, for the client SDKs in compat/.
need_node() {
  local have
  have="$(node_major)"
  if [ "${have:-0}" -lt 20 ]; then
    apt_install nodejs npm
    hash -r
    have="$(node_major)"
  fi
  [ "${have:-0}" -ge 20 ] || fail "Node 20 or newer is needed, found ${have:-none}; see https://nodejs.org"
  has npm || apt_install npm
}

# Python 3 with virtual environments, for the Python SDK in compat/.
need_python() {
  if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    apt_install python3 python3-venv
    hash -r
  fi
  python3 -c 'import ensurepip, venv' || fail "Python 3 with venv is needed"
}

# apt_install_idle PACKAGE…: the same, but no service of theirs is started; what the tests need they
# start themselves. One run at a time, so that none takes away what keeps another's services from
# starting; whatever happens, it is taken away in the end.
apt_install_idle() (
  policy=/usr/sbin/policy-rc.d
  exec 9>"${TMPDIR:-/tmp}/basalt-packages.$(id -u).lock"
  flock 9
  if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    as_root sh -c "printf '#!/bin/sh\\nexit 101\\n' >$policy && chmod 0755 $policy"
  fi
  apt_install "$@"
)

# need_package PROGRAM PACKAGE…: installs Debian packages unless the program is there.
need_package() {
  local program="$1"
  shift
  # Debian has some where only root looks.
  PATH="$PATH:/usr/sbin:/sbin"
  has "$program" && return 0
  apt_install_idle "$@"
  hash -r
  has "$program" || fail "$program is needed; Debian has it in: $*"
}
