# shellcheck shell=bash
# What Rosetta's commands need on the machine, and how its programs are built. Sourced by `rosetta` and `test`; needs $root.

export DOTNET_CLI_UI_LANGUAGE=en DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
export DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE=true DOTNET_GENERATE_ASPNET_CERTIFICATE=false
# Build servers would outlive the command and hold its output open: `./test | tee log` would not end.
export DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1
# dotnet refuses to run without a home folder, which a bare CI account may not have.
[ -n "${HOME:-}" ] || export HOME="${TMPDIR:-/tmp}/rosetta-home-$(id -u)"
mkdir -p "$HOME"

say() { printf '%s\n' "$*" >&2; }
die() { say "rosetta: $*"; exit 1; }

need_dotnet() {
  local wanted
  wanted=$(sed -n 's/.*"version": *"\([0-9]*\)\..*/\1/p' "$root/global.json")
  if ! command -v dotnet >/dev/null 2>&1; then
    for home in "${DOTNET_ROOT:-}" /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet "$HOME/.dotnet"; do
      if [ -n "$home" ] && [ -x "$home/dotnet" ]; then export PATH="$home:$PATH"; break; fi
    done
  fi
  command -v dotnet >/dev/null 2>&1 ||
    die ".NET SDK $wanted is needed and no 'dotnet' was found on PATH. Install the SDK (dotnet.microsoft.com/download, or your distribution's dotnet-sdk-$wanted.0) and try again."
  dotnet --list-sdks 2>/dev/null | grep -q "^$wanted\." ||
    die ".NET SDK $wanted is needed; 'dotnet --list-sdks' shows: $(dotnet --list-sdks 2>/dev/null | cut -d' ' -f1 | tr '\n' ' '). Install SDK $wanted and try again."
}

# Server programs (initdb, pg_ctl, postgres) of any version, where Debian puts them or on PATH.
have_postgres() {
  local initdb
  for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb 2>/dev/null)"; do
    [ -n "$initdb" ] && [ -x "$initdb" ] && [ -x "$(dirname "$initdb")/postgres" ] && [ -x "$(dirname "$initdb")/pg_ctl" ] && return 0
  done
  return 1
}

need_postgres() {
  have_postgres && return
  say "rosetta: PostgreSQL's server programs are not installed: installing the Debian package 'postgresql'"
  apt_install postgresql
  have_postgres || die "the package 'postgresql' was installed, yet initdb, pg_ctl and postgres are not in /usr/lib/postgresql/*/bin nor on PATH"
}

need_redis() {
  command -v redis-server >/dev/null 2>&1 && return
  say "rosetta: redis-server is not installed: installing the Debian package 'redis-server'"
  apt_install redis-server
  command -v redis-server >/dev/null 2>&1 || die "the package 'redis-server' was installed, yet redis-server is not on PATH"
}

apt_install() {
  local as_root=() list
  command -v apt-get >/dev/null 2>&1 || die "this machine has no apt-get: install the equivalent of '$*' and try again"
  if [ "$(id -u)" -ne 0 ]; then
    { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; } ||
      die "installing needs root: run 'sudo apt-get install $*' once and try again"
    as_root=(sudo -n)
  fi
  list=$(mktemp)
  # Servers here are private ones: packages shall not make a cluster of their own, nor start a server (as the machine's own policy, if it has one, would decide).
  local policy=0
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=1
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
    "${as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
  fi
  "${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/rosetta.conf >/dev/null
  local failed=0
  { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
      install --no-install-recommends "$@"; } >"$list" 2>&1 || failed=$?
  "${as_root[@]}" rm -f /etc/postgresql-common/createcluster.d/rosetta.conf
  [ "$policy" -eq 0 ] || "${as_root[@]}" rm -f /usr/sbin/policy-rc.d
  if [ "$failed" -ne 0 ]; then
    tail -n 20 "$list" >&2
    rm -f "$list"
    die "apt-get could not install '$*' (above); mend that, or install it yourself, and try again"
  fi
  rm -f "$list"
}

# build_release NAME PROJECT...: builds in Release, once; skipped while no source is newer than the last build.
build_release() {
  local name=$1 stamp="$root/.rosetta/built-$1" log="$root/.rosetta/build-$1.log" started=$SECONDS project
  shift
  mkdir -p "$root/.rosetta"
  if [ -f "$stamp" ] && [ -z "$(newer_sources "$stamp")" ]; then
    return
  fi
  say "rosetta: building $name (the first time takes a minute or two)"
  : >"$log"
  # Made first, because a first build would make them, and the time of the folder they are in counts as a change.
  for project in "$root"/{src,bench}/*/*.csproj "$root"/tests/Rosetta.Testing/*.csproj; do
    mkdir -p "${project%/*}/bin" "${project%/*}/obj"
  done
  # Its time is when the build began: what is edited meanwhile is newer.
  : >"$stamp.started"
  for project in "$@"; do
    # In the repository: dotnet looks for global.json from the current folder upwards.
    if ! (cd "$root" && dotnet build "$project" -c Release -v quiet -nologo -clp:NoSummary -p:UseSharedCompilation=false >>"$log" 2>&1); then
      grep -E 'error|warning' "$log" | sort -u | tail -n 20 >&2 || tail -n 20 "$log" >&2
      die "the build of $project failed (whole output: ${log#"$root"/})"
    fi
  done
  mv "$stamp.started" "$stamp"
  say "rosetta: built $name in $((SECONDS - started)) s"
}

# Folders count too: their time changes when a file is removed.
newer_sources() {
  find "$root/src" "$root/bench" "$root/tests/Rosetta.Testing" "$root/hocon" "$root"/Directory.*.props "$root/global.json" \
    \( -name bin -o -name obj -o -name TestResults \) -prune -o -newer "$1" -print -quit 2>/dev/null
}
