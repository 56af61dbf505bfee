#!/usr/bin/env bash
# Real clients of IRC against the real server: irssi and WeeChat in tmux, ii, sic, Python's irc; and
# ngircd beside it, for replies where the RFCs leave room. Called by scripts/e2e.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

irc_port=$(free_port)
screens=$work/tmux

# The words on a client's screen, as one text. Usage: screen NAME
screen() {
  tmux -S "$screens" capture-pane -p -J -S -500 -t "$1" 2>/dev/null || true
}

# Whether a client shows a text. Usage: shows NAME TEXT
shows() {
  screen "$1" | grep --quiet --fixed-strings -- "$2"
}

# Types a line into a client. Usage: type_in NAME LINE
type_in() {
  tmux -S "$screens" send-keys -t "$1" -l "$2"
  # A line that ends as soon as it begins looks pasted to some.
  await 2 shows "$1" "${2:0:40}" || true
  tmux -S "$screens" send-keys -t "$1" Enter
}

# Runs a client in a terminal of its own. Usage: open_screen NAME COMMAND
open_screen() {
  tmux -S "$screens" -f /dev/null new-session -d -s "$1" -x 180 -y 50 \
    "env HOME=$work/$1 TERM=screen LC_ALL=C.UTF-8 $2"
}

# Sends one line to the log port.
log_line() {
  printf '%s\n' "$1" | "$logcaster" send --addr "$logs" - >/dev/null 2>&1
}

# What every client has to see. Usage: see CLIENT WHAT TEXT SECONDS
see() {
  if await "$4" shows "$1" "$3"; then
    ok "$1: $2"
  else
    failed "$1: $2" "expected '$3' within $4 s, seen: $(screen "$1" | grep . | tail --lines=8)"
  fi
}

# The same conversation for every client in a terminal.
converse() {
  local name=$1
  see "$name" 'is welcomed' 'End of MOTD' 10
  # What is typed while a client still sets itself up may go nowhere.
  for _ in 1 2 3; do
    type_in "$name" '/join #logs-error'
    if await 5 shows "$name" 'level>=error'; then break; fi
  done
  see "$name" 'joins and sees the topic' 'level>=error' 8
  log_line "2026-11-20 12:00:00 ERROR disk of $name is full"
  see "$name" 'sees an error within a second' "ERROR" 1
  see "$name" 'reads it whole' "disk of $name is full" 1
  type_in "$name" "!query keyword=$name since=-10m"
  see "$name" 'is answered by LogBot' '1 match' 5
  type_in "$name" '/topic #logs-error mine'
  see "$name" 'cannot change the topic of a log channel' 'Only LogBot may' 8
  type_in "$name" "/join #ops-$name"
  type_in "$name" "/topic #ops-$name disks"
  see "$name" 'changes the topic of its own' 'disks' 15
  type_in "$name" "/part #ops-$name"
  type_in "$name" '/part #logs-error'
  type_in "$name" '/quit good night'
}

for tool in tmux irssi weechat ii sic; do
  if ! command -v "$tool" >/dev/null && ((EUID == 0)); then
    package=$tool
    if [[ $tool == weechat ]]; then package=weechat-curses; fi
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes \
      --no-install-recommends "$package" >"$work/apt.log" 2>&1 || true
  fi
done

start_server --irc-port "$irc_port" --irc-name irc.e2e

if ! command -v tmux >/dev/null; then
  skipped 'irssi and weechat' 'there is no tmux'
else
  if command -v irssi >/dev/null; then
    mkdir --parents "$work/irssi"
    open_screen irssi "irssi --connect=127.0.0.1 --port=$irc_port --nick=irssi"
    converse irssi
  else
    skipped irssi 'it is not installed and cannot be'
  fi
  if command -v weechat >/dev/null; then
    mkdir --parents "$work/weechat"
    # What is typed as fast as a program types looks pasted to it.
    open_screen weechat "weechat --dir $work/weechat --run-command '/set weechat.look.paste_max_lines -1' irc://weechat@127.0.0.1:$irc_port"
    converse weechat
  else
    skipped weechat 'it is not installed and cannot be'
  fi
fi

if command -v ii >/dev/null; then
  mkdir --parents "$work/ii"
  ii -i "$work/ii" -s 127.0.0.1 -p "$irc_port" -n iiuser >/dev/null 2>&1 &
  started+=("$!")
  room=$work/ii/127.0.0.1
  if await 10 test -p "$room/in"; then
    echo '/j #logs-warning' >"$room/in"
    await 10 test -p "$room/#logs-warning/in" || true
    log_line 'WARN fan of ii is slow'
    if await 2 grep --quiet 'fan of ii is slow' "$room/#logs-warning/out"; then
      ok 'ii: sees a warning'
    else
      failed 'ii: sees a warning' "$(tail --lines=5 "$room"/*/out "$room/out" 2>&1)"
    fi
    echo '!count' >"$room/#logs-warning/in"
    if await 5 grep --quiet 'LogBot.*COUNT' "$room/#logs-warning/out"; then
      ok 'ii: is answered by LogBot'
    else
      failed 'ii: is answered by LogBot' "$(tail --lines=5 "$room/#logs-warning/out" 2>&1)"
    fi
  else
    failed 'ii: connects' 'no fifo for the server'
  fi
else
  skipped ii 'it is not installed and cannot be'
fi

if command -v sic >/dev/null; then
  mkfifo "$work/sic.in"
  sic -h 127.0.0.1 -p "$irc_port" -n sicuser <"$work/sic.in" >"$work/sic.out" 2>&1 &
  started+=("$!")
  exec 7>"$work/sic.in"
  await 10 grep --quiet 'Welcome' "$work/sic.out" || true
  printf ':j #logs-all\n' >&7
  await 5 grep --quiet '366' "$work/sic.out" || true
  log_line 'plain words for sic'
  if await 3 grep --quiet 'plain words for sic' "$work/sic.out"; then
    ok 'sic: sees every line in #logs-all'
  else
    failed 'sic: sees every line in #logs-all' "$(tail --lines=5 "$work/sic.out")"
  fi
  exec 7>&-
else
  skipped sic 'it is not installed and cannot be'
fi

python=$tools/irc-python
if [[ ! -e $python/done ]] && python3 -m venv "$python" >"$work/pip.log" 2>&1 &&
  "$python/bin/pip" install --quiet irc >>"$work/pip.log" 2>&1; then
  touch "$python/done"
fi
if [[ -e $python/done ]]; then
  if "$python/bin/python" "$top/tests/e2e/irc_client.py" "$irc_port" "${logs##*:}" \
    >"$work/python-irc.log" 2>&1; then
    ok "Python's irc: joins, sees an error, asks, talks to another"
  else
    failed "Python's irc" "$(tail --lines=5 "$work/python-irc.log")"
  fi
else
  skipped "Python's irc" "$(tail --lines=1 "$work/pip.log")"
fi

if provide ngircd ngircd; then
  other_port=$(free_port)
  printf '[Global]\nName = irc.e2e\nInfo = other\nListen = 127.0.0.1\nPorts = %s\n%s\n' \
    "$other_port" $'MotdPhrase = hello\n[Options]\nPAM = no\nIdent = no\nDNS = no' >"$work/ngircd.conf"
  "${unpacked[@]}" "$(command -v ngircd)" --nodaemon --config "$work/ngircd.conf" \
    >"$work/ngircd.log" 2>&1 &
  started+=("$!")
  if python3 "$top/tests/e2e/irc_compare.py" "$irc_port" "$other_port" >"$work/compare.log" 2>&1
  then
    ok "ngircd: $(tail --lines=1 "$work/compare.log")"
  else
    failed 'ngircd: the same numerics and parameters' "$(tail --lines=12 "$work/compare.log")"
  fi
else
  skipped ngircd "$missing"
fi

tmux -S "$screens" kill-server 2>/dev/null || true
stop_server
