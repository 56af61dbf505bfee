#!/usr/bin/env bash
# HTTP: Prometheus scrapes, curl sends in every framing, Python's clients send in their protocols,
# one of them through a kill of ours. Usage: tests/e2e/http.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

if ! command -v curl >/dev/null; then
  skipped http 'there is no curl'
  exit
fi

# How many records hold MARK, each text once. Usage: distinct MARK
distinct() {
  curl --silent --fail --get --data-urlencode "keyword=$1" --data limit=1000000 \
    --data format=raw "http://$http/api/query" | sort --unique | wc --lines
}

# Usage: holds_distinct MARK COUNT
holds_distinct() {
  local count
  count=$(distinct "$1")
  ((count >= $2))
}

# Waits for COUNT different lines that hold MARK; by /api/hits they are counted as well, where they
# may be there twice only if AGAIN is said. Usage: arrived NAME MARK COUNT [AGAIN]
arrived() {
  local name=$1 mark=$2 count=$3 again=${4:-} seen total
  await 20 holds_distinct "$mark" "$count" || true
  seen=$(distinct "$mark")
  total=$(curl --silent --get --data-urlencode "keyword=$mark" "http://$http/api/hits" |
    sed --quiet 's/^[^[]*"total":\([0-9]*\).*/\1/p')
  if [[ $seen == "$count" && ($total == "$count" || -n $again && $total -ge $count) ]]; then
    ok "$name: $count lines${again:+, $((total - count)) of them again}"
  else
    failed "$name" "expected $count lines, seen $seen different ones of $total"
  fi
}

# ---- What only time shows, while the rest runs.

patience() {
  python3 - "$http" >"$work/patience" <<'PYTHON'
import socket
import sys
import threading
import time

host, port = sys.argv[1].rsplit(":", 1)


def until(name, said, words, low, high):
    begun = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=high + 10) as connection:
        connection.sendall(said)
        seen = b""
        try:
            while words not in seen and (part := connection.recv(4096)):
                seen += part
        except TimeoutError:
            pass
    took = time.monotonic() - begun
    if words in seen and low <= took <= high:
        print(f"ok {name}: after {took:.1f} s")
    else:
        print(f"FAILED {name}: expected {words} after {low} to {high} s, seen {seen[-200:]} "
              f"after {took:.1f} s")


head = b"POST /insert/raw HTTP/1.1\r\nHost: localhost\r\n"
cases = [
    ("a head that never ends", head, b"HTTP/1.1 408 ", 9, 14),
    ("a tail that has nothing to show", b"GET /api/tail?q=nothing HTTP/1.1\r\nHost: x\r\n\r\n",
     b": keep-alive\n", 14, 19),
]
threads = [threading.Thread(target=until, args=case) for case in cases]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
PYTHON
}

# ---- Prometheus

prometheus_scrapes() {
  local port said code=0 query
  if ! provide prometheus prometheus; then
    skipped prometheus "$missing"
    return
  fi
  said=$(curl --silent --fail "http://$http/metrics" |
    "${unpacked[@]}" promtool check metrics 2>&1) || code=$?
  if [[ $code == 0 && -z $said ]]; then
    ok 'promtool check metrics'
  else
    failed 'promtool check metrics' "nothing to say, seen $code: ${said:0:500}"
  fi
  port=$(free_port)
  cat >"$work/prometheus.yml" <<CONF
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: logcaster
    static_configs: [{targets: ["$http"]}]
CONF
  "${unpacked[@]}" prometheus --config.file="$work/prometheus.yml" \
    --storage.tsdb.path="$work/prometheus" --web.listen-address="127.0.0.1:$port" \
    >"$work/prometheus.log" 2>&1 &
  started+=("$!")
  query="http://127.0.0.1:$port/api/v1"
  if ! await 30 prometheus_has up 1; then
    failed 'prometheus scrapes' "up, seen $(curl --silent "$query/targets")"
    return
  fi
  if prometheus_has logcaster_logs_total "$(count_lines)" &&
    prometheus_has 'logcaster_query_duration_seconds_bucket{le="+Inf"} >= bool 0' 1 &&
    prometheus_has 'sum(logcaster_logs_by_transport_total)' "$(count_lines)"; then
    ok 'prometheus scrapes: its numbers are ours'
  else
    failed 'prometheus scrapes' "logcaster_logs_total = $(count_lines), seen \
$(curl --silent --get --data-urlencode query=logcaster_logs_total "$query/query")"
  fi
}

# Whether a question to Prometheus has this number as its answer. Usage: prometheus_has QUERY NUMBER
prometheus_has() {
  curl --silent --get --data-urlencode "query=$1" "$query/query" |
    grep --quiet --fixed-strings ",\"$2\"]"
}

# ---- curl

# Sends 100 lines with curl and these arguments. Usage: curls NAME TARGET ARGUMENT...
curls() {
  local name=$1 target=$2 mark said lines
  shift 2
  curled=$((curled + 1))
  mark=$(printf 'curl-mark-%02d-' "$curled")
  lines=100
  if [[ $name == *MiB* ]]; then lines=40000; fi
  if [[ $target == */insert/jsonline* ]]; then
    seq --format="{\"_msg\":\"$mark%06.0f of a few lines\"}" "$lines" >"$work/body"
  else
    seq --format="$mark%06.0f of a few lines" "$lines" >"$work/body"
  fi
  gzip --keep --force "$work/body"
  python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))' \
    <"$work/body" >"$work/body.zz"
  said=$(curl --silent --show-error --max-time 20 --output "$work/said" \
    --write-out '%{http_code}' "$@" "$target" <"$work/body" 2>&1) || true
  if [[ $said == 200 || $said == 204 ]]; then
    arrived "curl, $name" "$mark" "$lines"
  else
    failed "curl, $name" "200 or 204, seen $said: $(head --bytes=300 "$work/said")"
  fi
}

curl_sends() {
  local raw=http://$http/insert/raw jsonline=http://$http/insert/jsonline curled=0
  curls 'Content-Length' "$raw" --data-binary "@$work/body"
  curls 'JSON lines' "$jsonline" --data-binary "@$work/body"
  curls 'chunks' "$raw" --header 'Transfer-Encoding: chunked' --data-binary "@$work/body"
  curls 'chunks from a pipe, which it asks for' "$raw" --request POST --upload-file -
  curls 'chunks from a pipe, at once' "$raw" --request POST --header Expect: --upload-file -
  curls 'PUT of a file' "$raw" --upload-file "$work/body"
  curls '100-continue' "$raw" --header 'Expect: 100-continue' --data-binary "@$work/body"
  curls '1 MiB and more, which it asks for' "$raw" --data-binary "@$work/body"
  curls '1 MiB and more as JSON lines' "$jsonline" --data-binary "@$work/body"
  curls 'HTTP/1.0' "$raw" --http1.0 --data-binary "@$work/body"
  curls 'HTTP/2 offered' "$raw" --http2 --data-binary "@$work/body"
  curls 'gzip' "$raw" --header 'Content-Encoding: gzip' --data-binary "@$work/body.gz"
  curls 'gzip in chunks' "$jsonline" --header 'Content-Encoding: gzip' \
    --header 'Transfer-Encoding: chunked' --data-binary "@$work/body.gz"
  curls 'deflate' "$raw" --header 'Content-Encoding: deflate' --data-binary "@$work/body.zz"
  curls 'the log port' "http://$logs/insert/raw" --data-binary "@$work/body"
  curl_keeps_one_connection
}

curl_keeps_one_connection() {
  local said mark=curl-mark-twice-
  seq --format="$mark%02.0f" 10 >"$work/body"
  said=$(curl --silent --compressed --output /dev/null --write-out '%{http_code} %{num_connects},' \
    --data-binary "@$work/body" "http://$http/insert/raw" --next --silent --compressed \
    --output "$work/said" --write-out '%{http_code} %{num_connects},' \
    "http://$http/api/query?keyword=$mark" --next --silent --head --output /dev/null \
    --write-out '%{http_code} %{num_connects}' "http://$http/health/ready")
  if [[ $said == '204 1,200 0,200 0' && $(wc --lines <"$work/said") == 10 ]]; then
    ok 'curl, three requests on one connection'
  else
    failed 'curl, three requests on one connection' "204 1,200 0,200 0, seen $said"
  fi
}

# ---- Python's clients

# Makes `python` the interpreter that has the clients. Says in `missing` why it cannot.
provide_clients() {
  local place=$tools/http-clients
  python=$place/bin/python3
  if [[ -e $place/done ]]; then return; fi
  rm --recursive --force "$place"
  if ! python3 -m venv "$place" >"$work/pip.log" 2>&1 ||
    ! "$python" -m pip install --quiet --disable-pip-version-check 'python-logging-loki==0.3.1' \
      'elasticsearch>=8,<9' 'opentelemetry-sdk>=1.30' \
      'opentelemetry-exporter-otlp-proto-http>=1.30' 'requests>=2.32' >>"$work/pip.log" 2>&1; then
    missing="clients cannot be had from PyPI: $(tail --lines=1 "$work/pip.log")"
    return 1
  fi
  touch "$place/done"
}

# Runs a client that sends COUNT lines, its program on standard input. Usage: client NAME MARK COUNT
client() {
  local code=0
  "$python" - "$http" "$2" "$3" >"$work/client.log" 2>&1 || code=$?
  if ((code != 0)) || grep --quiet --ignore-case 'traceback\|warning' "$work/client.log"; then
    failed "$1" "nothing to complain of, seen $code: $(tail --lines=3 "$work/client.log")"
    return
  fi
  arrived "$1" "$2" "$3"
}

python_sends() {
  if ! provide_clients; then
    skipped 'python clients' "$missing"
    return
  fi
  local version
  for version in 0 1; do
    client "python-logging-loki, version $version" "loki-mark-$version-" 200 <<PYTHON
import logging
import sys

import logging_loki

http, mark, count = sys.argv[1:]
path = "/api/prom/push" if "$version" == "0" else "/loki/api/v1/push"
handler = logging_loki.LokiHandler(
    url=f"http://{http}{path}", tags={"application": "edge"}, version="$version")
handler.handleError = lambda record: sys.exit(f"not sent: {sys.exc_info()[1]}")
log = logging.getLogger("edge")
log.addHandler(handler)
for number in range(int(count)):
    log.warning(f"{mark}{number:06} grüße ✓")
PYTHON
  done
  client 'elasticsearch, helpers' elastic-mark- 3000 <<'PYTHON'
import sys

from elasticsearch import Elasticsearch, helpers

http, mark, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = Elasticsearch(f"http://{http}", http_compress=False)
assert client.info()["version"]["number"].startswith("8."), client.info()
assert client.ping()


def documents(numbers):
    for number in numbers:
        yield {
            "_op_type": "create" if number % 2 else "index",
            "_index": "edge-2026.11.21",
            "@timestamp": f"2026-11-21T10:00:00.{number % 1000:03}Z",
            "message": f"{mark}{number:06} grüße ✓",
            "log": {"level": "error"},
        }


third = count // 3
sent, failed = helpers.bulk(client, documents(range(third)), chunk_size=100)
assert (sent, failed) == (third, []), (sent, failed)
packed = Elasticsearch(f"http://{http}", http_compress=True)
for is_sent, item in helpers.streaming_bulk(packed, documents(range(third, 2 * third))):
    assert is_sent, item
for is_sent, item in helpers.parallel_bulk(
        client, documents(range(2 * third, count)), thread_count=4, chunk_size=50):
    assert is_sent, item
PYTHON
  client 'OpenTelemetry over OTLP/HTTP' otlp-mark- 2000 <<'PYTHON'
import logging
import sys

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

http, mark, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
log = logging.getLogger("edge")
log.setLevel(logging.DEBUG)
resource = Resource.create({"service.name": "edge", "host.name": "edge1"})
kinds = [Compression.NoCompression, Compression.Gzip]
for place, kind in enumerate(kinds):
    provider = LoggerProvider(resource=resource)
    exporter = OTLPLogExporter(endpoint=f"http://{http}/v1/logs", compression=kind)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=10000))
    handler = LoggingHandler(level=logging.DEBUG, logger_provider=provider)
    log.addHandler(handler)
    each = count // len(kinds)
    for number in range(place * each, (place + 1) * each):
        log.error(f"{mark}{number:06} grüße ✓", extra={"http.status": 504})
    log.removeHandler(handler)
    provider.shutdown()
PYTHON
  requests_through_a_kill
}

# Batches that are sent again until they are said to be on disk, while the server is killed.
requests_through_a_kill() {
  local name='requests, through a kill' mark=requests-mark- batches=200 code=0 at_end
  "$python" - "$http" "$mark" "$batches" >"$work/client.log" 2>&1 <<'PYTHON' &
import sys
import time

import requests

http, mark, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = requests.Session()
end = time.monotonic() + 60
for batch in range(batches):
    lines = "".join(
        f'{{"_msg":"{mark}{number:06} grüße ✓","level":"warn"}}\n'
        for number in range(batch * 100, (batch + 1) * 100))
    while True:
        try:
            answer = session.post(f"http://{http}/insert/jsonline?_stream_fields=level",
                                  data=lines.encode(), timeout=10)
            if answer.ok:
                assert answer.headers["X-Logcaster-Ack"] == "disk", answer.headers
                # Not faster than anybody can kill.
                time.sleep(0.02)
                break
        except requests.ConnectionError:
            pass
        assert time.monotonic() < end, "it does not come back"
        time.sleep(0.05)
PYTHON
  local sender=$!
  started+=("$sender")
  await 30 holds_distinct "$mark" 2000 || true
  kill -KILL "$server"
  wait "$server" 2>/dev/null || true
  start_server "${flags[@]}"
  at_end=$(distinct "$mark")
  wait "$sender" || code=$?
  if ((code != 0 || at_end >= batches * 100)); then
    failed "$name" "all of it sent, seen $code with $at_end lines at the kill: \
$(tail --lines=2 "$work/client.log")"
    return
  fi
  arrived "$name after $at_end" "$mark" $((batches * 100)) again
}

http_port=$(free_port)
flags=(--persist --dir "$work/ring" --size 256 --sync always)
start_server "${flags[@]}"
log_port=$(port_of "$logs")
query_port=$(port_of "$questions")
patience &
patient=$!
prometheus_scrapes
curl_sends
wait "$patient" || true
cat "$work/patience"
failures=$((failures + $(grep --count '^FAILED' "$work/patience" || true)))
python_sends
stop_server
