#!/usr/bin/env bash
# deploy/compose as Docker Compose reads it, the server started by it in a Docker of our own, and
# every file that is mounted there. The images of Prometheus, Alertmanager and Grafana cannot be
# fetched everywhere: their files are tried by tests/deploy/monitoring.sh.
# Usage: tests/deploy/compose.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

file=$top/deploy/compose/compose.yml
# Debian's python3 is what its docker-compose is written for. Usage: compose ARGUMENT...
compose() {
  "${composing[@]}" --project-name deploytest --file "$file" "$@"
}
if docker compose version >/dev/null 2>&1; then
  composing=(docker compose)
elif command -v docker-compose >/dev/null; then
  composing=(docker-compose)
elif unpack docker-compose; then
  composing=(env PYTHONPATH="$tools/docker-compose/usr/lib/python3/dist-packages"
    /usr/bin/python3 "$tools/docker-compose/usr/bin/docker-compose")
else
  skipped compose "$missing"
  exit
fi

if ! compose config >"$work/config.yml" 2>"$work/config.log"; then
  failed 'Compose reads it' "$(tail --lines=3 "$work/config.log")"
  exit 1
fi
ok "Compose reads it: ${composing[*]: -1} $(compose version --short 2>/dev/null)"
while read -r mounted; do
  holds_that "mounted and there: ${mounted#"$top"/}" test -e "$mounted"
done < <(grep --only-matching "$top/deploy/[^:]*" "$work/config.yml" | sort --unique)

if ! start_docker; then
  skipped 'compose up' "$missing"
  exit
fi
"$top/scripts/image" "$static" logcaster:latest >"$work/build.log" 2>&1
# A network of its own needs a kernel with bridges.
if ! docker network create probe >"$work/network.log" 2>&1; then
  skipped 'compose up' "$(tail --lines=1 "$work/network.log")"
  stop_docker
  exit
fi
docker network rm probe >>"$work/network.log"
export COMPOSE_HTTP_TIMEOUT=20
if compose up --detach --no-deps logcaster >"$work/up.log" 2>&1; then
  ok 'compose up'
else
  failed 'compose up' "$(tail --lines=3 "$work/up.log")"
fi
container=$(docker ps --all --quiet --filter name=logcaster)
is_healthy() {
  [[ $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]]
}
holds_that 'Docker says healthy' await 20 is_healthy
address=$(docker inspect --format \
  '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$container")
echo 'hello' | "$static" send --addr "$address:9999" || true
same 'takes lines in on its network' "$("$static" query --addr "$address:9998" COUNT)" 'COUNT: 1'
compose stop >"$work/stop.log" 2>&1
same 'compose stop ends it with' "$(docker inspect --format '{{.State.ExitCode}}' "$container")" 0
compose down --volumes >"$work/down.log" 2>&1 || true
stop_docker
