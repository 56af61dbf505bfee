#!/usr/bin/env bash
# The image FROM scratch: built from the static binary, run as an operator would lock it down,
# killed in the middle of a stream, started again on the same volume; every line must be found.
# Usage: tests/deploy/image.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

# From the start of the container's process until it says that it is ready, in milliseconds.
healthy_ms_max=200
lines=50000

if ! start_docker; then
  skipped image "$missing"
  exit
fi
if ! "$top/scripts/image" "$static" logcaster:test >"$work/build.log" 2>&1; then
  failed 'image is built' "$(tail --lines=3 "$work/build.log")"
  exit 1
fi
ok "image is built: $(tail --lines=1 "$work/build.log")"

# What is in it: the binary, and /data of 65532. Docker adds what it mounts over.
contents() {
  docker create --name contents logcaster:test >/dev/null
  docker export contents >"$work/image.tar"
  docker rm contents >/dev/null
  tar --list --verbose --numeric-owner --file "$work/image.tar" | awk '{ print $1, $2, $NF }' |
    grep --invert-match --extended-regexp ' (\.dockerenv|(dev|etc|proc|sys)/.*|/proc/mounts)$'
}
same 'image holds the binary and /data' "$(contents)" \
  $'drwxr-xr-x 65532/65532 data/\n-rwxr-xr-x 0/0 logcaster'

# Usage: of_image TEMPLATE
of_image() {
  docker image inspect --format "$1" logcaster:test
}
same 'is started, ended and looked after' \
  "$(of_image '{{json .Config.Entrypoint}} {{.Config.StopSignal}} {{json .Config.Healthcheck.Test}}')" \
  '["/logcaster","-P","-d","/data"] SIGTERM ["CMD","/logcaster","ping","--ready"]'
# shellcheck disable=SC2016 # Docker fills it
same 'says what it is' "$(of_image '{{range $name, $value := .Config.Labels}}{{$name}} {{end}}')" \
  "$(printf 'org.opencontainers.image.%s ' created description licenses revision title version)"

logs=127.0.0.1:$(free_port)
questions=127.0.0.1:$(free_port)
http=127.0.0.1:$(free_port)
# The locked-down container of the documentation, here on the host's network, for this daemon has
# no other. Usage: run_container NAME OPTION...
run_container() {
  local name=$1
  shift
  docker run --detach --name "$name" --network host --read-only --cap-drop ALL \
    --security-opt no-new-privileges --user 65532 --memory 32m --cpus 1 --volume data:/data \
    --env LOGCASTER_LOG_PORT="$(port_of "$logs")" \
    --env LOGCASTER_QUERY_PORT="$(port_of "$questions")" \
    --env LOGCASTER_HTTP_PORT="$(port_of "$http")" "$@" logcaster:test >"$work/$name.id"
}
# A part of what Docker knows of a container. Usage: about NAME TEMPLATE
about() {
  docker inspect --format "$2" "$1"
}
# Asks every millisecond or so, and prints when it was answered.
await_ready() {
  timeout 30 python3 - "$questions" <<'PY'
import socket, sys, time
host, port = sys.argv[1].rsplit(":", 1)
while True:
    try:
        with socket.create_connection((host, int(port)), 1) as asked:
            asked.sendall(b"PING ready\n")
            if asked.recv(100).startswith(b"PONG ready"):
                break
    except OSError:
        pass
    time.sleep(0.001)
print(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)
PY
}
boot_ms() {
  python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)'
}
# Three times at most, for a machine may have something else to do.
for attempt in 1 2 3; do
  if ((attempt > 1)); then docker rm --force first >>"$work/rm.log"; fi
  await_ready >"$work/ready-at" &
  asking=$!
  called=$(boot_ms)
  run_container first --health-interval 50ms
  wait "$asking"
  ready=$(cat "$work/ready-at")
  # In hundredths of a second since the boot; Docker's own StartedAt is written afterwards.
  process=$(about first '{{.State.Pid}}')
  began=$(($(awk '{ print $22 }' "/proc/$process/stat") * 10))
  after=$((ready - began))
  if ((after < healthy_ms_max)); then break; fi
done
if ((after < healthy_ms_max)); then
  ok "ready $after ms after its process began, $((ready - called)) ms after docker run"
else
  failed 'ready in time' "expected less than $healthy_ms_max ms, seen $after"
fi
is_healthy() {
  [[ $(about "$1" '{{.State.Health.Status}}') == healthy ]]
}
holds_that 'Docker says healthy' await 20 is_healthy first

same 'runs as 65532, without capabilities, without new privileges' \
  "$(sed --quiet --regexp-extended 's/^(Uid|Cap(Prm|Eff|Bnd)|NoNewPrivs):\t(\S+).*/\3/p' \
    "/proc/$process/status" | tr '\n' ' ')" \
  '65532 0000000000000000 0000000000000000 0000000000000000 1 '
docker logs first >"$work/said.log" 2>&1
same 'listens on all addresses' \
  "$(grep --count --extended-regexp 'addr=(0\.0\.0\.0|\[::\]):' "$work/said.log")" 6
same 'is silent about memory where the ring is half of it' \
  "$(grep --count memory_tight "$work/said.log")" 0
same 'knows its size' \
  "$(docker exec first /logcaster config | sed --quiet 's/^size *= *\([^ ]*\).*/\1/p')" '"16M"'

# Lines that are accepted, then SIGKILL.
seq --format='line %.0f of the first lot' "$lines" >"$work/lot"
"$static" send --addr "$logs" "$work/lot"
holds_that 'takes lines in' await 30 holds "$lines"
# What it holds by itself, beside pages of the ring, which are a file's: the half of 32 MiB that the
# ring leaves is more than it needs.
anonymous=$(awk '/^RssAnon/ { print $2 }' "/proc/$process/status")
if ((anonymous > 0 && anonymous < 16384)); then
  ok "holds $anonymous KiB of memory beside the ring"
else
  failed 'memory beside the ring' "expected less than 16384 KiB, seen $anonymous"
fi
echo "with the pages of files: $(awk '/^VmRSS/ { print $2 }' "/proc/$process/status") KiB"
# With page cache, of which the kernel keeps as much as the limit allows.
of_container=$(sed --quiet 's/^[0-9]*:\(memory\)\?://p' "/proc/$process/cgroup" | head --lines=1)
for place in /sys/fs/cgroup/memory /sys/fs/cgroup; do
  for file in "$place$of_container"/memory.{max_usage_in_bytes,peak}; do
    if [[ -r $file ]]; then echo "with page cache: $(cat "$file") bytes at most"; fi
  done
done
docker kill first >"$work/kill.log"
same 'killed, not ended' "$(docker wait first)" 137
run_container second
is_ready() {
  "$static" ping --ready --addr "$questions"
}
holds_that 'a second container takes the volume over' await 20 is_ready
same 'every line is there after docker kill' "$(count_lines)" "$lines"
"$static" query --addr "$questions" "QUERY limit=$lines order=asc format=raw" >"$work/found"
holds_that 'and every line is what it was' cmp "$work/lot" "$work/found"

# A sender that repeats, with the kill in the middle of its stream.
{
  for part in 1 2 3 4; do
    seq --format='line %.0f of the second lot' $((part * 5000 - 4999)) $((part * 5000))
    sleep 0.3
  done
} | "$static" send --retry --addr "$logs" >"$work/send.log" 2>&1 &
sender=$!
started+=("$sender")
holds_that 'takes more lines in' await 30 holds $((lines + 5000))
kill -KILL "$(about second '{{.State.Pid}}')"
same 'killed in the middle of a stream' "$(docker wait second)" 137
docker start second >"$work/start.log"
code=0
wait "$sender" || code=$?
same 'the sender ends well' "$code" 0
distinct() {
  "$static" query --addr "$questions" 'QUERY keyword="of the second lot" limit=30000 format=raw' |
    sort --unique | wc --lines
}
same 'every line arrived at least once' "$(distinct)" 20000

docker stop --time 10 second >"$work/stop.log"
same 'docker stop ends it with' "$(about second '{{.State.ExitCode}} {{.State.OOMKilled}}')" \
  '0 false'
holds_that 'the segment on the volume is whole' docker run --rm --network none --volume data:/data \
  --entrypoint /logcaster logcaster:test verify /data

run_container large --env LOGCASTER_SIZE=24M
holds_that 'a larger ring starts too' await 20 is_ready
warning='warn memory_tight ring_bytes=25165824 memory_limit_bytes=33554432'
warning+=' message="the ring is more than half the memory limit"'
same 'warns where the ring is more than half the memory' \
  "$(docker logs large 2>&1 | grep memory_tight)" "$warning"
metric_names() {
  curl --silent --fail "http://$http/metrics" | sed --quiet 's/^# TYPE \([^ ]*\) .*/\1/p' | sort
}
metric_names >"$work/names-with-proc"
docker rm --force large >>"$work/rm.log"

# Nothing but the binary and a directory: no /proc, /dev, /etc, /tmp.
mkdir --parents "$work/root/data"
cp "$static" "$work/root/logcaster"
chown 65532:65532 "$work/root/data"
chroot --userspec=65532:65532 "$work/root" /logcaster -P -d /data -s 4 \
  -p "$(port_of "$logs")" -q "$(port_of "$questions")" --http-port "$(port_of "$http")" \
  2>"$work/chroot.log" &
bare=$!
started+=("$bare")
holds_that 'runs where there is nothing else' await 20 is_ready
metric_names >"$work/names-without-proc"
without=$(comm -23 "$work/names-with-proc" "$work/names-without-proc")
same 'without /proc only metrics of the process are missing' \
  "$(grep --count --invert-match '^process_' <<<"$without" || true)" 0
ok "missing without /proc: ${without//$'\n'/, }"
stop "$bare" || failed 'ends without /proc' "exit code $?"
stop_docker
