#!/usr/bin/env bash
# A panic of a real build: what it prints leads scripts/symbolize to the source lines, the build id is
# the binary's, the process aborts, and the segment is whole. The build has one bug on purpose
# (feature canary-panic), keeps its symbols, and runs without them, as a released one does.
# Called by `make e2e`.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

for tool in cargo nm addr2line readelf strip; do
  if ! command -v "$tool" >/dev/null; then
    skipped symbolize "$tool is not installed"
    exit
  fi
done

# A folder of its own: this build must never be taken for another.
built=$target/canary-panic
if ! (cd "$top" && CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
  cargo build --quiet --release --features canary-panic --target-dir "$built" \
  >"$work/build.log" 2>&1); then
  failed symbolize "expected a build, seen: $(tail --lines=3 "$work/build.log")"
  exit 1
fi
whole=$built/release/logcaster
logcaster=$work/logcaster
strip --strip-all -o "$logcaster" "$whole"

# Usage: expect NAME WHAT-WAS-SEEN PATTERN
expect() {
  # shellcheck disable=SC2053 # it is a pattern
  if [[ $2 == $3 ]]; then ok "symbolize: $1"; else failed "symbolize: $1" "expected $3, seen $2"; fi
}

start_server -P -d "$work/logs" -s 4
seq --format='line %g' 1 1000 | "$logcaster" send --addr "$logs"
if ! await 20 holds 1000; then failed symbolize "expected 1000 lines, seen $(count_lines)"; fi
kill -USR1 "$server"
if ! await 20 is_gone "$server"; then
  failed symbolize 'expected that it aborts'
  exit 1
fi
code=0
wait "$server" || code=$?
expect 'a panic aborts' "$code" 134

panic=$(sed --quiet '/^panic /,$p' "$server_log")
expect 'it says where and what' "$panic" 'panic at src/reactor/life.rs:*: SIGUSR1 came*'
build=$(readelf --notes "$whole" | sed --quiet 's/^ *Build ID: //p')
version=$("$logcaster" --version)
expect 'and of which build' "$panic" $'*\n'"version ${version#* } build $build"$'\n*'
if (($(grep --count '^frame 0x' <<<"$panic") < 5)); then
  failed 'symbolize: and the way there' "$panic"
fi
resolved=$("$top/scripts/symbolize" "$whole" <<<"$panic")
line=$(sed --quiet 's/^panic at \([^:]*:[0-9]*\):.*/\1/p' <<<"$panic")
for place in "$line" src/cli/serve.rs: src/main.rs:; do
  expect "the way there leads over ${place%:*}" "${resolved#*frame}" "*at $top/$place*"
done
expect 'a stripped binary is refused' "$("$top/scripts/symbolize" "$logcaster" 2>&1 </dev/null ||
  true)" '*no symbols*'

code=0
verified=$("$logcaster" verify "$work/logs") || code=$?
expect 'the segment is whole' "$code $verified" '0 *records: 1000*damaged: 0'
