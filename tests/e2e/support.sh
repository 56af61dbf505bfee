# shellcheck shell=bash
# What the end-to-end tests share: a directory to work in, a server of ours, senders that are not
# installed, and the lines that say what held. Each test sources this first; it is no script.
set -euo pipefail
# Times without a zone are UTC on both sides, names of levels and errors are not translated.
export TZ=UTC LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$top/target}
# The binary under test.
logcaster=${E2E_BINARY:-$target/release/logcaster}
# Where senders are unpacked that this machine has not installed.
tools=$target/e2e
test_name=$(basename "$0" .sh)
# Short, for the name of a Unix socket has at most 107 bytes.
work=$(mktemp --directory)
# Processes to end when the test does, in the order of their start.
started=()
failures=0
servers=0
# Ports for the next server; 0 is any. A restart sets them to what the first was given.
log_port=0
query_port=0
# For HTTP 0 is none.
http_port=0

ok() {
  printf 'ok %s\n' "$1"
}

# Usage: failed NAME 'what was expected, what was seen'
failed() {
  failures=$((failures + 1))
  printf 'FAILED %s: %s\n' "$1" "$2"
}

# Usage: skipped NAME REASON
skipped() {
  printf 'skipped %s: %s\n' "$1" "$2"
}

# Ends a process that we started: with SIGTERM, after 20 s with SIGKILL. Its exit code is ours.
stop() {
  local pid=$1 place code=0
  kill -TERM "$pid" 2>/dev/null || true
  if ! await 20 is_gone "$pid"; then kill -KILL "$pid" 2>/dev/null || true; fi
  wait "$pid" 2>/dev/null || code=$?
  for place in "${!started[@]}"; do
    if [[ ${started[place]} == "$pid" ]]; then unset "started[place]"; fi
  done
  return "$code"
}

# A process that has ended and was not waited for yet is a zombie: gone all the same.
is_gone() {
  local state
  state=$(sed --quiet 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 0
  [[ -z $state || $state == Z ]]
}

# Polls until a command succeeds. Usage: await SECONDS COMMAND [ARGUMENT...]
await() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= until)); then return 1; fi
    sleep 0.05
  done
}

finish() {
  local code=$? index log places
  trap - EXIT
  # Ended from outside, who listens to it may be gone: what was started is taken away even so.
  trap '' PIPE TERM INT HUP
  set +e
  # Newest first. What was stopped before has left a hole, so their count says nothing.
  places=("${!started[@]}")
  for ((index = ${#places[@]} - 1; index >= 0; index--)); do
    stop "${started[places[index]]}"
  done
  # What a test has of its own to take away, once its processes are gone.
  if declare -F clean_up >/dev/null; then clean_up; fi
  if ((code != 0 && failures == 0)); then
    failed "$test_name" "expected to run to its end, broke off with exit code $code"
  fi
  if ((failures > 0)); then
    for log in "$work"/*.log; do
      if [[ -s $log ]]; then
        printf -- '---- the end of %s\n' "$(basename "$log")" >&2
        tail --lines=30 "$log" | cut --characters=1-300 >&2
      fi
    done
  fi
  rm --recursive --force "$work"
  exit $((failures > 0))
}
trap finish EXIT

# A port that nobody has. Usage: free_port
free_port() {
  python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a server with FLAGS and waits until it answers. Sets server, and logs, questions and (with
# --syslog among the flags) syslog to addresses; http is the one that http_port says. Usage: start_server FLAG...
start_server() {
  local name
  servers=$((servers + 1))
  server_log=$work/server-$servers.log
  : >"$server_log"
  while IFS= read -r name; do unset "$name"; done < <(compgen -e LOGCASTER_)
  "$logcaster" serve --bind 127.0.0.1 --log-port "$log_port" --query-port "$query_port" \
    --http-port "$http_port" --log-level info "$@" 2>"$server_log" &
  server=$!
  started+=("$server")
  if ! await 20 is_listening "$@" || is_gone "$server"; then
    failed "$test_name" "expected a server with $*, seen: $(tail --lines=3 "$server_log")"
    exit 1
  fi
}

# The address that the server's log names for a role. Usage: address_of ROLE
address_of() {
  sed --quiet "s/.*listening.* role=$1 .*addr=\"\\?\\([^ \"]*\\).*/\\1/p" "$server_log" |
    head --lines=1
}

is_listening() {
  logs=$(address_of logs)
  questions=$(address_of questions)
  # shellcheck disable=SC2034 # those that source this use it
  http=127.0.0.1:$http_port
  syslog=$(address_of syslog)
  # Nothing to wait for: the caller sees that no address was announced.
  if is_gone "$server"; then return; fi
  if [[ -z $logs || -z $questions || (" $* " == *' --syslog '* && -z $syslog) ]]; then return 1; fi
  "$logcaster" ping --ready --addr "$questions" >/dev/null 2>&1
}

stop_server() {
  local code=0
  stop "$server" || code=$?
  if ((code != 0)); then
    failed "$test_name" "expected a server that ends with 0, seen $code"
  fi
}

# Asks the server and shows its answer. Usage: ask QUESTION
ask() {
  "$logcaster" query --addr "$questions" "$1" || true
}

# How many lines the server holds.
count_lines() {
  local answer
  answer=$(ask COUNT)
  echo "${answer#COUNT: }"
}

# Whether the server holds as many lines at least. Usage: holds COUNT
holds() {
  local count
  count=$(count_lines)
  [[ -n $count ]] && ((count >= $1))
}

# Waits for the records that hold MARK and compares them with what was expected; check.py says how
# that is written. Usage: check NAME MARK FIELD=VALUE... [-- FIELD=VALUE...]...
check() {
  python3 "$top/tests/e2e/check.py" "$questions" "$@" || failures=$((failures + 1))
}

# Makes a sender that is no part of every machine callable: it is installed, or its Debian package
# is unpacked. `unpacked` is then what its commands run under. Says in `missing` why it cannot.
# Usage: provide PACKAGE COMMAND
provide() {
  local place=$tools/$1
  # shellcheck disable=SC2034 # those that source this use it
  unpacked=(env)
  if command -v "$2" >/dev/null; then return; fi
  unpack "$1" || return 1
  PATH=$place/usr/sbin:$place/usr/bin:$place/sbin:$place/bin:$PATH
  # Not a function: what runs in the background must be the command itself, so that it is what
  # signals reach.
  # shellcheck disable=SC2034
  unpacked=(env "LD_LIBRARY_PATH=$(find "$place" -name '*.so*' -printf '%h\n' | sort --unique |
    paste --serial --delimiters=:)")
  if ! command -v "$2" >/dev/null; then
    missing="the package $1 has no $2"
    return 1
  fi
}

# Unpacks a Debian package, with what this machine lacks for it, below target/e2e. Nothing is
# installed: Debian's rsyslog and syslog-ng exclude each other, and nobody wants either, or Docker,
# as a service because of a test. Says in `missing` why it cannot. Usage: unpack PACKAGE
unpack() {
  local wanted file place=$tools/$1
  missing=
  if [[ -e $place/done ]]; then return; fi
  if gave_up "$1"; then return 1; fi
  if ! command -v apt-get >/dev/null; then
    missing="$1 is not installed, and there is no apt-get"
    return 1
  fi
  rm --recursive --force "$place"
  mkdir --parents "$place/packages"
  wanted=$(apt-get install --simulate --no-install-recommends "$1" 2>"$work/apt.log" |
    sed --quiet 's/^Inst \([^ ]*\) .*/\1/p') || true
  # shellcheck disable=SC2086 # one word a package
  if [[ -z $wanted ]] || ! (cd "$place/packages" &&
    timeout 300 apt-get download -o APT::Sandbox::User=root -o Acquire::Retries=1 \
    -o Acquire::http::Timeout=20 $wanted >"$work/apt.log" 2>&1); then
    # shellcheck disable=SC2034
    missing="the package $1 cannot be had: $(tail --lines=1 "$work/apt.log")"
    give_up "$1"
    return 1
  fi
  for file in "$place"/packages/*.deb; do dpkg-deb --extract "$file" "$place"; done
  touch "$place/done"
  rm "$work/apt.log"
}

# What could not be fetched is not tried again by the next test, for a try may take minutes:
# FETCH_FAILURES is a folder with a file for each, which says why. Without it every test tries.
# Usage: give_up NAME
give_up() {
  if [[ -n ${FETCH_FAILURES:-} ]]; then echo "$missing" >"$FETCH_FAILURES/$1"; fi
}

# Whether it could not be fetched before, with the reason in `missing`. Usage: gave_up NAME
gave_up() {
  if [[ -z ${FETCH_FAILURES:-} || ! -e $FETCH_FAILURES/$1 ]]; then return 1; fi
  # shellcheck disable=SC2034 # those that source this use it
  missing=$(<"$FETCH_FAILURES/$1")
}

# Whether IRC is spoken at its port in the machine that `inside` runs commands in.
says_welcome() {
  local said
  # shellcheck disable=SC2016 # the machine's shell fills it
  said=$(inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/6667 &&
    printf "NICK probe\r\nUSER probe 0 * :probe\r\nQUIT\r\n" >&3 && timeout 20 cat <&3') || true
  echo "$said"
  [[ $said == *' 001 probe '* ]]
}

# Removes a control group with those in it, and ends what still runs there: a container stays
# behind a daemon that was killed. Usage: remove_group DIRECTORY
remove_group() {
  local pid
  if [[ ! -d $1 ]]; then return; fi
  if [[ -e $1/cgroup.kill ]]; then
    echo 1 2>/dev/null >"$1/cgroup.kill"
  else
    while read -r pid; do
      # A process of another namespace is 0 here, which to `kill` is ourselves.
      if ((pid > 1)); then kill -KILL "$pid" 2>/dev/null; fi
    done < <(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null)
  fi
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
  [[ ! -e $1 ]]
}

# The same for every hierarchy of the machine; what stays is a failure. Usage: remove_groups NAME
remove_groups() {
  local dir
  for dir in /sys/fs/cgroup{,/*}; do
    if [[ -d $dir/$1 ]] && ! await 5 remove_group "$dir/$1"; then
      failed "$test_name" "expected that nothing stays, seen the control group $dir/$1"
    fi
  done
}

port_of() {
  echo "${1##*:}"
}
