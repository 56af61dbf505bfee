#!/usr/bin/env bash
# Runs what deploy/ has for Prometheus, Alertmanager and Grafana: the rules against their cases, then
# a real Prometheus that scrapes a real server under load, from which every rule and every expression
# of the dashboard must get data, and from which an alert must reach Alertmanager. Grafana itself is
# not in Debian: its files are checked by monitoring.py. Called by `make deploy-test`; a fresh Debian
# needs python3 and curl, the rest is unpacked below target/e2e. Usage: tests/deploy/monitoring.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

deploy=$top/deploy
dashboard=$deploy/grafana/dashboards/logcaster.json
# How long the load lasts: the ring of 1 MiB is full after half of it.
load_seconds=${MONITORING_SECONDS:-40}
cd "$top"

checks() {
  python3 "$top/tests/deploy/monitoring.py" "$@" || failures=$((failures + 1))
}

# Says whether a command succeeds. Usage: succeeds NAME COMMAND...
succeeds() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    ok "$name"
  else
    failed "$name" "success, seen ${said:0:2000}"
  fi
}

# ---- Files by themselves

lint_yaml() {
  local files
  mapfile -t files < <(find "$deploy/prometheus" "$deploy/alertmanager" "$deploy/grafana" \
    "$top/tests/deploy" -name '*.yml')
  if command -v yamllint >/dev/null; then
    succeeds 'yamllint' yamllint --strict "${files[@]}"
  elif unpack yamllint; then
    # Unpacked, it is a library that any Python 3 runs.
    succeeds 'yamllint' env PYTHONPATH="$tools/yamllint/usr/lib/python3/dist-packages" \
      python3 -c 'import sys; from yamllint.cli import run; sys.exit(run())' \
      --strict "${files[@]}"
  else
    skipped yamllint "$missing"
  fi
}

checks dashboard "$dashboard"
checks cases tests/deploy/alerts.yml "$deploy/prometheus/rules/alerts.yml"
lint_yaml

# Before the other: what runs under `unpacked` is that of the last one provided.
if ! provide prometheus-alertmanager amtool; then
  skipped alertmanager "$missing"
  exit
fi
alertmanager_run=("${unpacked[@]}")
succeeds 'amtool check-config' "${alertmanager_run[@]}" amtool check-config \
  "$deploy/alertmanager/alertmanager.yml"

# Usage: routed RECEIVER LABEL=VALUE...
routed() {
  local receiver=$1 seen
  shift
  seen=$("${alertmanager_run[@]}" amtool config routes test \
    --config.file "$deploy/alertmanager/alertmanager.yml" "$@" 2>/dev/null)
  if [[ $seen == "$receiver" ]]; then
    ok "amtool routes $*: $receiver"
  else
    failed "amtool routes $*" "$receiver, seen $seen"
  fi
}

routed pager severity=critical alertname=LogcasterDown
routed senders severity=warning alertname=LogcasterErrorShare
routed chat severity=warning alertname=LogcasterSlowTurns
routed chat alertname=SomethingElse

if ! provide prometheus promtool; then
  skipped prometheus "$missing"
  exit
fi
prometheus_run=("${unpacked[@]}")
succeeds 'promtool check config' "${prometheus_run[@]}" promtool check config \
  "$deploy/prometheus/prometheus.yml"
succeeds 'promtool check rules' "${prometheus_run[@]}" promtool check rules \
  "$deploy"/prometheus/rules/recording.yml "$deploy"/prometheus/rules/alerts.yml
succeeds 'promtool test rules' "${prometheus_run[@]}" promtool test rules tests/deploy/alerts.yml

# ---- All of them together

prometheus_port=$(free_port)
alertmanager_port=$(free_port)
syslog_port=$(free_port)
irc_port=$(free_port)
prometheus=http://127.0.0.1:$prometheus_port
alertmanager=http://127.0.0.1:$alertmanager_port

# Everything that has a panel happens here: a ring so small that it evicts, syncs ten times a second,
# senders over the limit of the rate.
start_monitored() {
  start_server --persist --dir "$work/ring" --size 1M --sync interval:100 \
    --rate-limit 200:400 --syslog "$syslog_port" --irc-port "$irc_port"
}

# Starts it again at the same ports, after Prometheus has seen it at work.
restart_monitored() {
  sleep 3
  stop_server
  start_monitored
}

# The configuration that is shipped, with the addresses of here, and a scrape a second.
start_prometheus() {
  cp --recursive "$deploy/prometheus" "$work/etc"
  sed --in-place \
    --expression "s/logcaster:9090/127.0.0.1:$http_port/" \
    --expression "s/localhost:9090/127.0.0.1:$prometheus_port/" \
    --expression "s/alertmanager:9093/127.0.0.1:$alertmanager_port/" \
    --expression 's/_interval: 15s/_interval: 1s/' \
    --expression 's/scrape_timeout: 5s/scrape_timeout: 1s/' "$work/etc/prometheus.yml"
  "${prometheus_run[@]}" prometheus --config.file="$work/etc/prometheus.yml" \
    --storage.tsdb.path="$work/prometheus" --web.listen-address="127.0.0.1:$prometheus_port" \
    >"$work/prometheus.log" 2>&1 &
  started+=("$!")
}

start_alertmanager() {
  local share=/usr/share namespace=()
  # Debian's looks for its templates there, and unpacked they are elsewhere: it is shown them there.
  if [[ ! -e $share/prometheus/alertmanager ]]; then
    namespace=(unshare --user --map-root-user --mount bash -c
      "mount --bind '$tools/prometheus-alertmanager$share' $share && exec \"\$@\"" bash)
    if ! "${namespace[@]}" true 2>"$work/namespace.log"; then return 1; fi
  fi
  # Nobody is there to be told: what counts is who would be.
  "${namespace[@]}" "${alertmanager_run[@]}" "$(alertmanager_command)" \
    --config.file="$deploy/alertmanager/alertmanager.yml" \
    --storage.path="$work/alertmanager" --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$alertmanager_port" >"$work/alertmanager.log" 2>&1 &
  started+=("$!")
}

# Debian's name for it, or that of its makers.
alertmanager_command() {
  command -v prometheus-alertmanager || command -v alertmanager
}

is_scraped() {
  curl --silent --get --data-urlencode 'query=up{job="logcaster"} == 1' "$prometheus/api/v1/query" |
    grep --quiet --fixed-strings '"1"]'
}

http_port=$(free_port)
start_monitored
log_port=$(port_of "$logs")
query_port=$(port_of "$questions")
has_alertmanager=true
start_alertmanager || has_alertmanager=false
start_prometheus
if ! await 30 is_scraped; then
  failed 'prometheus scrapes logcaster' "up, seen $(curl --silent "$prometheus/api/v1/targets")"
  exit
fi
ok 'prometheus scrapes logcaster with the configuration that is shipped'

python3 "$top/tests/deploy/monitoring.py" load "$logs" "127.0.0.1:$syslog_port" "$questions" \
  "$http" "127.0.0.1:$irc_port" "$load_seconds" >"$work/load.log" 2>&1 &
load=$!
started+=("$load")
# Three starts more are a restart loop, and the reason for one of the panels.
for _ in 1 2 3; do restart_monitored; done
if ! wait "$load"; then failed 'load' "success, seen $(tail --lines=3 "$work/load.log")"; fi

checks expressions "$prometheus" "$dashboard"
checks rules "$prometheus" "$deploy/RUNBOOK.md"
if $has_alertmanager; then
  checks alert "$alertmanager" LogcasterRestartLoop pager
else
  skipped 'alert at Alertmanager' "no namespace to run it in: $(<"$work/namespace.log")"
fi
