#!/usr/bin/env bash
# Docker's syslog driver: a daemon of our own, without a network, runs containers that print, and
# sends what they print in each of its formats over each of its transports.
# Usage: tests/e2e/docker.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

if [[ $(id --user) != 0 ]]; then
  skipped docker 'a daemon needs root'
  exit
fi
program=$tools/busybox-static/bin/busybox
if ! unpack busybox-static || ! provide docker.io dockerd; then
  skipped docker "$missing"
  exit
fi

# The client and the daemon, of the same package.
docker() {
  "${unpacked[@]}" "$(dirname "$(command -v dockerd)")/../bin/docker" \
    --host "unix://$work/docker.sock" "$@"
}

"${unpacked[@]}" dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
  --data-root "$work/docker" --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" \
  --host "unix://$work/docker.sock" >"$work/dockerd.log" 2>&1 &
dockerd=$!
started+=("$dockerd")
if ! await 60 docker version >/dev/null 2>&1; then
  skipped docker "no daemon here: $(tail --lines=1 "$work/dockerd.log")"
  exit
fi

# An image of one program.
mkdir --parents "$work/image/bin"
cp "$program" "$work/image/bin/busybox"
tar --create --directory "$work/image" . | docker import - e2e >"$work/import.log" 2>&1

# Prints to both outputs, an empty line (which the driver leaves out) and a last one without LF. The
# outputs are two pipes: only time keeps their lines in order.
# shellcheck disable=SC2016 # the container's shell fills it
say='echo "line one of $1"; echo; printf "\tat main.go:12 of %s\n" "$1"
  sleep 0.2; echo "failed: grüße ✓ of $1" >&2; sleep 0.2
  printf "{\"status\":503,\"mark\":\"%s\"}" "$1"'

start_server --syslog 127.0.0.1:0 --unix "$work/dgram" --unix "stream:$work/stream"

marks=0
# Runs a container and checks what arrives. Usage: run NAME ADDRESS 'FIELD=VALUE...' LOG-OPTION...
run() {
  local name=$1 address=$2 mark option options=() fields
  read -r -a fields <<<"$3"
  shift 3
  marks=$((marks + 1))
  mark=docker-mark-$marks
  for option in "syslog-address=$address" "tag=app-$marks" "$@"; do
    options+=(--log-opt "$option")
  done
  if ! docker run --rm --network none --log-driver syslog "${options[@]}" e2e \
    /bin/busybox sh -c "$say" sh "$mark" >"$work/run.log" 2>&1; then
    failed "docker, $name" "expected a container that runs, seen $(tail --lines=1 "$work/run.log")"
    return
  fi
  if [[ " ${fields[*]}" != *' app='* ]]; then fields+=("app=app-$marks"); fi
  fields+=(facility=daemon)
  check "docker, $name" "$mark" \
    level=info "message=line one of $mark" "${fields[@]}" -- \
    level=info $'message=\tat main.go:12 of '"$mark" "${fields[@]}" -- \
    level=error "message=failed: grüße ✓ of $mark" "${fields[@]}" -- \
    level=info "message={\"status\":503,\"mark\":\"$mark\"}" status=503 "${fields[@]}"
}

host=$(uname --nodename)
for format in '' rfc3164 rfc5424 rfc5424micro; do
  options=()
  wanted="host=$host"
  if [[ -n $format ]]; then options=("syslog-format=$format"); else wanted='host=127.0.0.1'; fi
  run "${format:-default} over TCP" "tcp://$logs" "transport=tcp $wanted" "${options[@]}"
  run "${format:-default} over TCP to the syslog port" "tcp://$syslog" "transport=tcp $wanted" \
    "${options[@]}"
  run "${format:-default} over UDP" "udp://$syslog" "transport=udp $wanted" "${options[@]}"
done
run 'stream socket' "unix://$work/stream" 'transport=unix'
run 'datagram socket' "unixgram://$work/dgram" 'transport=unix'
run 'a tag with a slash' "tcp://$logs" "host=$host app=e2e/app" syslog-format=rfc5424 'tag=e2e/app'

stop_server
stop "$dockerd" || true
