#!/usr/bin/env bash
# Runs every command of deploy/RUNBOOK.md against a real server, and checks that there is a section
# for each alert. Commands stand in blocks that begin with ```console, behind `$ `; those in
# ```console irc where filters of IRC are kept; those in ```console systemd are run by
# tests/e2e/systemd.sh. DEPLOY_BINARY is the server.
# Usage: tests/deploy/runbook.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

runbook=$top/deploy/RUNBOOK.md
alerts=$top/deploy/prometheus/rules/alerts.yml

if ! command -v curl >/dev/null; then
  failed runbook 'curl is not installed (Debian package curl)'
  exit 1
fi

# The commands of the blocks of one kind. Usage: commands KIND
commands() {
  awk -v kind="$1" '
    /^```/ { inside = ($0 == kind); next }
    inside && sub(/^\$ /, "") { print }' "$runbook"
}

sections() {
  local name missing=()
  if [[ ! -e $alerts ]]; then
    skipped runbook_sections 'no rules are there'
    return
  fi
  while IFS= read -r name; do
    if ! grep --quiet --line-regexp --fixed-strings "### $name" "$runbook"; then
      missing+=("$name")
    fi
  done < <(sed --quiet 's/^ *- alert: *//p' "$alerts")
  if ((${#missing[@]} == 0)); then
    ok runbook_sections
  else
    failed runbook_sections "expected a section for each alert, none for ${missing[*]}"
  fi
}

# Runs one command as it stands, with the server's places for those of the text.
try() {
  local command=$1 said code=0
  command=${command//\/var\/lib\/logcaster/$work/ring}
  command=${command//\/backup/$work/backup}
  command=${command//\/restored/$work/restored}
  command=${command//127.0.0.1:9090/$http}
  said=$(PATH=$work/bin:$PATH LOGCASTER_ADDR=$questions LOGCASTER_LOG_ADDR=$logs \
    bash -o pipefail -c "$command" 2>&1) || code=$?
  if ((code == 0)) && [[ -n $said || $1 == *' send' ]]; then
    tried=$((tried + 1))
  else
    failed "runbook: $1" "expected 0 and something said, seen $code: $said"
  fi
}

# Whether a line of ours is kept.
sends() {
  local mark=probe-$RANDOM-$SECONDS
  echo "$mark" | "$logcaster" send --addr "$logs" && [[ $(ask "SEARCH $mark") == *"] $mark"* ]]
}

mkdir "$work/bin" "$work/backup"
ln --symbolic "$logcaster" "$work/bin/logcaster"
http_port=$(free_port)
irc_port=$(free_port)
start_server --persist --dir "$work/ring" --size 8 --rate-limit 100:200 --irc-port "$irc_port"
for level in info warning error; do
  for number in 1 2 3 4 5; do echo "$level: line $number of the runbook"; done
done | "$logcaster" send --addr "$logs"
# More than is allowed, so that there is somebody who is held back.
seq 2000 | "$logcaster" send --addr "$logs"

# What was held back is told in a record of the server's own, a little later.
is_told() {
  [[ $(ask 'SEARCH suppressed') != 'FOUND: 0 '* ]]
}
await 30 is_told || failed runbook 'expected a record of what was held back'

# The table of capacity is what is computed.
table() {
  awk '/^```/ { shown = 0 } shown { print } /^\$ / { shown = $0 == "$ logcaster plan" }' "$runbook"
}
same 'the runbook shows the capacity as it is computed' "$(table)" "$("$logcaster" plan)"

sections
tried=0
while IFS= read -r command; do
  # A sender that was held back may send again after a second.
  if [[ $command == *' send' ]]; then await 5 sends || true; fi
  try "$command"
done < <(commands '```console')
# Somebody has added a filter.
exec {irc}<>"/dev/tcp/127.0.0.1/$irc_port"
printf '%s\r\n' 'NICK probe' 'USER probe 0 * :probe' \
  'PRIVMSG LogBot :!logfilter add #db keyword deadlock' >&"$irc"
await 10 test -s "$work/ring/irc.json" || failed runbook 'expected a file of filters'
exec {irc}>&-
tried_before=$tried
while IFS= read -r command; do try "$command"; done < <(commands '```console irc')
if ((tried_before == 0 || tried == tried_before)); then
  failed runbook "expected commands of both kinds in the runbook, seen $tried_before and $((
    tried - tried_before)) that succeed"
elif ((failures == 0)); then
  ok "runbook ($tried commands)"
fi
stop_server
