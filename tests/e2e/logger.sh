#!/usr/bin/env bash
# util-linux logger in all its modes: level, host, application and message of what it sends.
# Usage: tests/e2e/logger.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

if ! command -v logger >/dev/null; then
  skipped logger 'util-linux logger is not installed'
  exit
fi

host=$(uname --nodename)
# RFC 3164 has no domain in a host name.
short_host=${host%%.*}
text='payment timeout user=42: grüße ✓ "quoted" \ back'
marks=0

start_server --syslog 127.0.0.1:0 --unix "$work/dgram" --unix "stream:$work/stream"
tcp=(--server 127.0.0.1 --port "$(port_of "$logs")" --tcp)
syslog_tcp=(--server 127.0.0.1 --port "$(port_of "$syslog")" --tcp)
udp=(--server 127.0.0.1 --port "$(port_of "$syslog")" --udp)
dgram=(--socket "$work/dgram")
stream=(--socket "$work/stream")

# Sets `mark` to a name that no other record holds; it is the tag, which is the application.
new_mark() {
  marks=$((marks + 1))
  mark=logger-mark-$marks
}

# Sends one message and checks it. Usage: one NAME 'FIELD=VALUE...' LOGGER-OPTION...
one() {
  local name=$1 fields
  read -r -a fields <<<"$2"
  shift 2
  new_mark
  logger --tag "$mark" --id=4242 --priority local3.err "$@" -- "$text"
  check "logger $name" "$mark" level=error "app=$mark" facility=local3 "message=$text" \
    "${fields[@]}"
}

one 'TCP' "transport=tcp host=$host" "${tcp[@]}"
one 'TCP, RFC 5424' "transport=tcp host=$host proc_id=4242" "${tcp[@]}" --rfc5424
one 'TCP, RFC 3164' "transport=tcp host=$short_host" "${tcp[@]}" --rfc3164
one 'TCP, RFC 5424, counted' "transport=tcp host=$host" "${tcp[@]}" --rfc5424 --octet-count
one 'TCP, RFC 3164, counted' "transport=tcp host=$short_host" "${tcp[@]}" --rfc3164 --octet-count
one 'TCP, RFC 5424 without time quality' "transport=tcp host=$host" "${tcp[@]}" --rfc5424=notq
one 'TCP, RFC 5424 without time and host' 'transport=tcp host=127.0.0.1' "${tcp[@]}" \
  --rfc5424=notime,notq,nohost
one 'TCP, structured data' 'msg_id=ID47 exampleSDID@32473.iut=3 exampleSDID@32473.src=App"x' \
  "${tcp[@]}" --rfc5424 --msgid ID47 --sd-id exampleSDID@32473 --sd-param 'iut="3"' \
  --sd-param 'src="App\"x"' --sd-id meta@32473 --sd-param 'seq="7"'
one 'TCP to the syslog port' "transport=tcp host=$host" "${syslog_tcp[@]}"
one 'TCP to the syslog port, counted' "transport=tcp host=$host" "${syslog_tcp[@]}" --octet-count
one 'UDP' "transport=udp host=$host" "${udp[@]}"
one 'UDP, RFC 5424' "transport=udp host=$host" "${udp[@]}" --rfc5424
one 'UDP, RFC 3164' "transport=udp host=$short_host" "${udp[@]}" --rfc3164
one 'UDP, RFC 5424, counted' "transport=udp host=$host" "${udp[@]}" --rfc5424 --octet-count
one 'datagram socket' 'transport=unix' "${dgram[@]}"
one 'datagram socket, RFC 5424' "transport=unix host=$host" "${dgram[@]}" --rfc5424
one 'stream socket' 'transport=unix' "${stream[@]}"
one 'stream socket, RFC 5424' "transport=unix host=$host" "${stream[@]}" --rfc5424

# Sends standard input, of which each line is a message. Usage: piped NAME LOGGER-OPTION...
piped() {
  local name=$1
  shift
  new_mark
  printf 'request 1 served in 7 ms\n\tat main.go:12\nlast one' |
    logger --tag "$mark" --priority daemon.warning "$@"
  check "logger $name" "$mark" level=warning "app=$mark" 'message=request 1 served in 7 ms' -- \
    level=warning "app=$mark" $'message=\tat main.go:12' -- \
    level=warning "app=$mark" 'message=last one'
}

piped 'TCP, standard input' "${tcp[@]}"
piped 'TCP, standard input, counted' "${tcp[@]}" --octet-count
piped 'UDP, standard input' "${udp[@]}"
piped 'datagram socket, standard input' "${dgram[@]}"
piped 'stream socket, standard input' "${stream[@]}"

# A line without a prefix keeps the one before it; one that is out of range is text.
new_mark
printf '<3>an error\n<191>local7 debug\nno prefix\n<999>out of range\n' |
  logger "${tcp[@]}" --tag "$mark" --prio-prefix
check 'logger --prio-prefix' "$mark" level=error facility=user 'message=an error' -- \
  level=debug facility=local7 'message=local7 debug' -- \
  level=debug facility=local7 'message=no prefix' -- \
  level=notice facility=user 'message=<999>out of range'

# An empty line is a message without text, unless it is to be skipped.
new_mark
printf 'one\n\ntwo\n' | logger "${tcp[@]}" --tag "$mark"
check 'logger, an empty line' "$mark" message=one -- "app=$mark" message= -- message=two
new_mark
printf 'one\n\ntwo\n' | logger "${tcp[@]}" --tag "$mark" --skip-empty --octet-count
check 'logger --skip-empty' "$mark" message=one -- message=two

# What is longer than --size becomes more messages.
new_mark
seq --separator= --format='%04.0f' 1 750 | logger "${tcp[@]}" --tag "$mark" --size 1024
check 'logger --size 1024 of 3,000 bytes' "$mark" 'message~=^0001.*0256$' -- \
  'message~=^0257.*0512$' -- 'message~=^0513.*0750$'
new_mark
seq --separator= --format='%04.0f' 1 750 | logger "${tcp[@]}" --tag "$mark" --size 4096
check 'logger --size 4096 of 3,000 bytes' "$mark" 'message~=^0001.*0750$'

stop_server
