#!/usr/bin/env bash
# rsyslog forwards what it reads from a file: RFC 5424 over TCP, with its queue on disk, through a
# restart of ours; then one line in each of its other shapes. Usage: tests/e2e/rsyslog.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"
# shellcheck source=forwarding.sh
source "$(dirname "$0")/forwarding.sh"

if ! provide rsyslog rsyslogd; then
  skipped rsyslog "$missing"
  exit
fi

# Starts rsyslog with what it is to do with the lines of input.txt. Usage: start_rsyslog ACTION
start_rsyslog() {
  local modules
  modules=$(dirname "$(find "$tools/rsyslog" /usr/lib /lib -name imfile.so -print -quit)")
  rm --recursive --force "$work/spool"
  mkdir "$work/spool"
  : >"$work/input.txt"
  cat >"$work/rsyslog.conf" <<CONF
global(workDirectory="$work/spool" localHostname="edge1" net.enableDNS="off"
  processInternalMessages="off" maxMessageSize="64k")
module(load="imfile")
input(type="imfile" file="$work/input.txt" tag="feed:" severity="err" facility="local3"
  ruleset="forward")
ruleset(name="forward") { $1 }
CONF
  "${unpacked[@]}" rsyslogd -n -M "$modules" -f "$work/rsyslog.conf" -i "$work/spool/pid" \
    >"$work/rsyslogd.log" 2>&1 &
  rsyslogd=$!
  started+=("$rsyslogd")
}

# An action that forwards, whatever happens. Usage: omfwd PROTOCOL FRAMING TEMPLATE [MORE]
omfwd() {
  cat <<CONF
action(type="omfwd" target="127.0.0.1" port="$(port_of "$logs")" protocol="$1" tcp_framing="$2"
  template="$3" ${4:-} action.resumeRetryCount="-1" action.resumeInterval="1")
CONF
}

# The lines that a restart must not cost. Usage: restart NAME FRAMING
restart() {
  log_port=0
  query_port=0
  rm --recursive --force "$work/ring"
  start_server --persist --dir "$work/ring" --size 256
  start_rsyslog "$(omfwd tcp "$2" RSYSLOG_SyslogProtocol23Format 'queue.type="LinkedList"
    queue.filename="forward" queue.size="200000" queue.saveOnShutdown="on"')"
  # It looks before each batch whether we are there. Our server says its end before it closes, so
  # that nothing is under way when it does.
  forward_through_restart "$1" 0
  stop "$rsyslogd" || true
  stop_server
}

restart 'rsyslog RFC 5424, octet-counted, through a restart' octet-counted
restart 'rsyslog RFC 5424, LF, through a restart' traditional
