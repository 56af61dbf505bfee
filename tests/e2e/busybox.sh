#!/usr/bin/env bash
# busybox logger, which writes to /dev/log and nowhere else, and busybox syslogd, which forwards
# what comes there. Both run in a mount namespace of their own with a /dev that holds nothing but
# what they need, so that the machine's is as it was. Usage: tests/e2e/busybox.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

if ! provide busybox busybox; then
  skipped busybox "$missing"
  exit
fi

# Without root a user namespace may do.
namespace=(unshare --mount)
if [[ $(id --user) != 0 ]]; then namespace+=(--user --map-root-user); fi
# Runs a script with an empty /dev; "$@" are its arguments. Its descriptors were opened before: it
# needs no device but the log. Not a function, so that signals reach what runs in the background.
# shellcheck disable=SC2016 # the other bash fills them
with_own_dev=("${namespace[@]}" bash -euo pipefail -c
  'script=$1; shift; mount --types tmpfs tmpfs /dev; eval "$script"' bash)
if ! why=$("${with_own_dev[@]}" true 2>&1); then
  skipped busybox "no mount namespace: $why"
  exit
fi

start_server --syslog 127.0.0.1:0 --unix "$work/dgram"

# shellcheck disable=SC2016 # the other bash fills them
"${with_own_dev[@]}" 'ln --symbolic "$1" /dev/log
  busybox logger -t "busybox-mark-1[4242]" -p local0.err "payment timeout" user=42 "grüße ✓"
  printf "request 1 served\n\tat main.go:12\nlast one" | busybox logger -t busybox-mark-2' \
  "$work/dgram"
check 'busybox logger' busybox-mark-1 level=error app=busybox-mark-1 facility=local0 proc_id=4242 \
  transport=unix 'message=payment timeout user=42 grüße ✓'
check 'busybox logger, standard input' busybox-mark-2 level=notice 'message=request 1 served' -- \
  $'message=\tat main.go:12' -- 'message=last one'

# Its syslogd makes /dev/log itself and forwards over UDP, without a host in the header.
# shellcheck disable=SC2016
"${with_own_dev[@]}" ': >/dev/null
  busybox syslogd -n -R "$1" &
  trap "kill $!" TERM
  until [[ -S /dev/log ]]; do sleep 0.05; done
  busybox logger -t busybox-mark-3 -p daemon.err "payment timeout user=42"
  wait' "$syslog" &
syslogd=$!
started+=("$syslogd")
check 'busybox syslogd -R' busybox-mark-3 level=error app=busybox-mark-3 facility=daemon \
  host=127.0.0.1 transport=udp 'message=payment timeout user=42'
stop "$syslogd" || true

stop_server
