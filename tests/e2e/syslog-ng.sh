#!/usr/bin/env bash
# syslog-ng forwards what it reads from a file, by both of its drivers, with its buffer on disk,
# through a restart of ours. Usage: tests/e2e/syslog-ng.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"
# shellcheck source=forwarding.sh
source "$(dirname "$0")/forwarding.sh"

if ! provide syslog-ng-core syslog-ng; then
  skipped syslog-ng "$missing"
  exit
fi
modules=$(dirname "$(find "$tools/syslog-ng-core" /usr/lib -name libaffile.so -print -quit)")
version=$("${unpacked[@]}" syslog-ng --version | sed --quiet '1s/.*(\([0-9]*\.[0-9]*\).*/\1/p')

# Starts syslog-ng with a destination for the lines of input.txt. Usage: start_syslog_ng DRIVER
start_syslog_ng() {
  rm --recursive --force "$work/spool"
  mkdir "$work/spool"
  : >"$work/input.txt"
  cat >"$work/syslog-ng.conf" <<CONF
@version: $version
options { keep-hostname(yes); use-dns(no); time-reopen(1); stats-freq(0); };
source lines { file("$work/input.txt" follow-freq(0.1) flags(no-parse)
  program-override("feed") host-override("edge1") default-priority(err)
  default-facility(local3)); };
destination ours { $1 };
log { source(lines); destination(ours); flags(flow-control); };
CONF
  "${unpacked[@]}" syslog-ng -F --cfgfile "$work/syslog-ng.conf" --module-path "$modules" \
    --persist-file "$work/spool/persist" --control "$work/spool/control" \
    --pidfile "$work/spool/pid" --no-caps >"$work/syslog-ng.log" 2>&1 &
  syslog_ng=$!
  started+=("$syslog_ng")
}

# A driver with its buffer on disk. Usage: to_us DRIVER [OPTION...]
to_us() {
  local driver=$1
  shift
  cat <<CONF
$driver("127.0.0.1" port($(port_of "$logs")) transport("tcp") $*
  disk-buffer(reliable(yes) disk-buf-size(67108864) mem-buf-size(4194304) dir("$work/spool")));
CONF
}

# Usage: restart NAME DRIVER [OPTION...]
restart() {
  local name=$1
  shift
  log_port=0
  query_port=0
  rm --recursive --force "$work/ring"
  start_server --persist --dir "$work/ring" --size 256
  start_syslog_ng "$(to_us "$@")"
  # It does not look while its queue holds lines. Where that takes longer than our server listens
  # after SIGTERM (3 s; it takes well below 1 s on a machine that has nothing else to do), what it
  # writes at the moment of the close is lost to the reset: it counts as sent what the kernel took.
  forward_through_restart "$name" 1000
  stop "$syslog_ng" || true
  stop_server
}

restart 'syslog-ng syslog(), octet-counted RFC 5424, through a restart' syslog
restart 'syslog-ng network(), RFC 5424, LF, through a restart' network 'flags(syslog-protocol)'
