"""Checks what deploy/ has for Prometheus, Alertmanager and Grafana; see monitoring.sh, which calls it.

Usage: monitoring.py dashboard FILE              the dashboard by itself: form, variables, layout
       monitoring.py cases RULE_TESTS RULES      each alert has a case that fires and one that does not
       monitoring.py load LOGS SYSLOG QUESTIONS HTTP IRC SECONDS
       monitoring.py expressions PROMETHEUS DASHBOARD    each expression returns data
       monitoring.py rules PROMETHEUS RUNBOOK    each rule evaluates, names what exists, is explained
       monitoring.py alert ALERTMANAGER NAME RECEIVER    the alert has arrived there
Each says `ok NAME` or `FAILED NAME: what was expected, what was seen`, and ends with 1 in that case.
"""

import json
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

failures = 0


def ok(name):
    print(f"ok {name}")


def failed(name, words):
    global failures
    failures += 1
    print(f"FAILED {name}: {words}")


def check(name, findings):
    """Nothing found is good."""
    if findings:
        failed(name, "; ".join(findings[:20]))
    else:
        ok(name)


def get(url, **parameters):
    """The `data` of an answer of Prometheus, or the answer."""
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode()[:300]) from error
    return said.get("data", said) if isinstance(said, dict) else said


# ---- The dashboard by itself

KINDS = {"row", "timeseries", "stat", "heatmap", "table", "bargauge"}
UNITS = {"none", "short", "cps", "Bps", "bytes", "s", "percentunit", "reqps", "ops"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def of_panel(panel):
    """What is wrong with a panel."""
    title = panel.get("title") or f"panel {panel.get('id')}"
    if panel.get("type") not in KINDS:
        yield f"{title}: unknown type {panel.get('type')}"
    place = panel.get("gridPos", {})
    if not {"x", "y", "w", "h"} <= set(place) or place["x"] + place["w"] > 24:
        yield f"{title}: gridPos {place}"
    if panel.get("type") == "row":
        return
    if len(panel.get("description", "")) < 20:
        yield f"{title}: no description"
    if panel.get("datasource") != SOURCE:
        yield f"{title}: not the datasource of the variable"
    if panel.get("fieldConfig", {}).get("defaults", {}).get("unit") not in UNITS:
        yield f"{title}: no known unit"
    targets = panel.get("targets", [])
    if not targets or len({target["refId"] for target in targets}) != len(targets):
        yield f"{title}: no targets, or two of one name"
    for target in targets:
        expression = target.get("expr", "")
        if target.get("datasource") != SOURCE or not target.get("legendFormat"):
            yield f"{title} {target.get('refId')}: datasource or legend missing"
        # What is aggregated away must not be what the reader has chosen.
        selectors = re.findall(r"\b(?:logcaster|process)_\w+(\{[^}]*\})?", expression)
        for selector in selectors:
            if 'job=~"$job"' not in selector or 'instance=~"$instance"' not in selector:
                yield f"{title} {target['refId']}: a selector without $job and $instance"
        if re.search(r"\[\d+[sm]\]", expression) and "[15m]" not in expression:
            yield f"{title} {target['refId']}: a window that is not $__rate_interval"


def overlaps(panels):
    """Panels that lie on each other."""
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']} lies on {other}"
                    return


def dashboard(path):
    board = json.loads(Path(path).read_text())
    wanted = {"title", "uid", "panels", "templating", "time", "schemaVersion", "refresh", "tags"}
    findings = [f"no {key}" for key in sorted(wanted - set(board))]
    variables = {one["name"]: one for one in board["templating"]["list"]}
    if variables.get("datasource", {}).get("type") != "datasource":
        findings.append("no variable for the datasource")
    for name in ("job", "instance"):
        if variables.get(name, {}).get("type") != "query" or not variables[name]["multi"]:
            findings.append(f"no variable {name} of several values")
    panels = board["panels"]
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        findings.append("two panels have one id")
    for panel in panels:
        findings.extend(of_panel(panel))
    findings.extend(overlaps(panels))
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
    findings.extend(f"${name} is not defined" for name in used - set(variables))
    check(f"dashboard: form of {len(panels)} panels", findings)


# ---- The cases of alerts

def cases(tests, rules):
    """Each alert of `rules` has, in `tests`, a time when it fires and one when it does not."""
    alerts = re.findall(r"^ +- alert: (\w+)$", Path(rules).read_text(), re.MULTILINE)
    groups = re.split(r"^  - name: ", Path(tests).read_text(), flags=re.MULTILINE)[1:]
    findings = []
    for alert in alerts:
        own = [group for group in groups if group.split("\n", 1)[0] == alert]
        if not any("value: 1" in group for group in own):
            findings.append(f"no case where {alert} fires")
        if not any("exp_samples: []" in group for group in own):
            findings.append(f"no case where {alert} does not fire")
        if not all(f'alertname="{alert}"' in group for group in own):
            findings.append(f"a case of {alert} asks for another alert")
    check(f"alerts: a case that fires and one that does not for each of {len(alerts)}", findings)


# ---- Load

def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def until(end, pause, once):
    """Calls `once` with growing numbers until `end`; what a restart breaks is tried again."""
    number = 0
    while time.monotonic() < end:
        try:
            once(number)
        except OSError:
            pass
        number += 1
        time.sleep(pause)


def load(logs, syslog, questions, http, irc, seconds):
    end = time.monotonic() + float(seconds)
    levels = [0, 1, 2, 3, 3, 4, 4, 5, 6, 6, 6, 6, 6, 6, 7, 7]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def by_syslog(number):
        for one in range(20):
            level = levels[(number + one) % len(levels)]
            text = f"<{8 + level}>1 - host{one % 5} app{one % 3} 1 - - syslog line {number} {'x' * 80}"
            datagrams.sendto(text.encode(), address(syslog))

    def by_line(number):
        with socket.create_connection(address(logs), timeout=5) as connection:
            lines = (f"{word} plain line {number}\n" for word in ("ERROR", "WARN", "INFO", "DEBUG"))
            connection.sendall("".join(lines).encode())

    # One sender far above the limit of the rate.
    def flood(number):
        with socket.create_connection(address(logs), timeout=5) as connection:
            lines = (f"INFO flood {number}.{one}\n" for one in range(100))
            connection.sendall("".join(lines).encode())

    def by_http(number):
        body = "".join(f"line over HTTP {number}.{one}\n" for one in range(10)).encode()
        request = urllib.request.Request(f"http://{http}/insert/raw", data=body, method="POST")
        urllib.request.urlopen(request, timeout=5).read()

    def ask_text(number):
        asked = ["COUNT", "RECENT 50", "QUERY keyword=line&limit=20", "NONSENSE"][number % 4]
        with socket.create_connection(address(questions), timeout=5) as connection:
            connection.sendall(f"{asked}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def ask_http(number):
        path = ["/api/query?keyword=line&limit=100", "/api/hits?step=1m", "/api/stats?by=level",
                "/health", "/no/such/path"][number % 5]
        try:
            urllib.request.urlopen(f"http://{http}{path}", timeout=5).read()
        except urllib.error.HTTPError:
            pass

    def tail(_number):
        with socket.create_connection(address(questions), timeout=2) as connection:
            connection.sendall(b"TAIL\n")
            while time.monotonic() < end and connection.recv(65536):
                pass

    def chat(_number):
        with socket.create_connection(address(irc), timeout=2) as connection:
            connection.sendall(b"NICK probe\r\nUSER probe 0 * :probe\r\nJOIN #logs-error\r\n")
            while time.monotonic() < end and connection.recv(65536):
                pass

    jobs = [(by_syslog, 0.05), (by_line, 0.02), (flood, 0.05), (by_http, 0.1),
            (ask_text, 0.02), (ask_http, 0.02), (tail, 0.5), (chat, 0.5)]
    threads = [threading.Thread(target=until, args=(end, pause, job)) for job, pause in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- What Prometheus answers

def filled_in(expression):
    """The expression as Grafana would ask it: every server, and a window of several scrapes."""
    values = {"$__rate_interval": "10s", "$job": ".+", "$instance": ".+"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


# What the load is for: these were above 0 at some time, so that the panels show more than zeros.
MOVED = [
    'rate(logcaster_dropped_total{reason="evicted"}[10s])',
    'rate(logcaster_dropped_total{reason="suppressed"}[10s])',
    'logcaster_suppressed_sources',
    'count(logcaster_stream_logs_total) > 5',
    'rate(logcaster_logs_by_level_total{level="error"}[10s])',
    'rate(logcaster_logs_by_transport_total{transport=~"tcp|udp|http"}[10s])',
    'rate(logcaster_http_requests_total{route="query", code="2xx"}[10s])',
    'rate(logcaster_command_errors_total[10s])',
    'rate(logcaster_disk_writes_total[10s])',
    'logcaster_cursors{kind="tail"}',
    'logcaster_connections_by_role',
    'logcaster:connections:ratio{role="irc"}',
    'logcaster_oldest_record_age_seconds',
]


def numbers(series):
    return [value for one in series for _, value in one["values"] if value != "NaN"]


def expressions(prometheus, path):
    board = json.loads(Path(path).read_text())
    now = time.time()
    asked = [(panel["title"], target["expr"])
             for panel in board["panels"] for target in panel.get("targets", [])]
    asked += [(one["name"], one["expr"]) for one in board["annotations"]["list"]]
    for variable in board["templating"]["list"]:
        inner = re.fullmatch(r"label_values\((.+), \w+\)", variable.get("definition", ""))
        if inner:
            asked.append((f"variable {variable['name']}", inner[1]))
    findings, points = [], 0
    for title, expression in asked:
        try:
            answer = get(f"{prometheus}/api/v1/query_range", query=filled_in(expression),
                         start=now - 120, end=now, step=2)
        except ValueError as error:
            findings.append(f"{title}: {expression}: {error}")
            continue
        count = len(numbers(answer["result"]))
        points += count
        if count == 0:
            findings.append(f"{title}: no data for {expression}")
    for expression in MOVED:
        answer = get(f"{prometheus}/api/v1/query_range", query=expression, start=now - 120, end=now,
                     step=1)
        if not [value for value in numbers(answer["result"]) if float(value) > 0]:
            findings.append(f"the load has not moved {expression}")
    check(f"dashboard: data for each of {len(asked)} expressions, {points} points", findings)


def anchors(runbook):
    """The anchors of the headings of a Markdown file."""
    headings = re.findall(r"^#+ (.+)$", Path(runbook).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
            for heading in headings}


def of_alert(rule):
    """What is wrong with what an alert says."""
    notes, name = rule["annotations"], rule["name"]
    if rule["labels"].get("severity") not in ("critical", "warning"):
        yield f"{name}: severity {rule['labels'].get('severity')}"
    if not notes.get("summary") or len(notes.get("description", "")) < 40:
        yield f"{name}: no summary or description"
    if notes.get("runbook_url") != f"deploy/RUNBOOK.md#{name.lower()}":
        yield f"{name}: runbook_url {notes.get('runbook_url')}"


def of_rule(prometheus, rule, known):
    """What is wrong with a rule that Prometheus has loaded."""
    name = rule["name"]
    if rule["health"] != "ok":
        yield f"{name}: {rule['health']}: {rule.get('lastError')}"
    try:
        get(f"{prometheus}/api/v1/query", query=rule["query"])
    except ValueError as error:
        yield f"{name}: {error}"
    for metric in set(re.findall(r"\b(?:logcaster|process)[_:][\w:]+", rule["query"])) - known:
        yield f"{name}: {metric} does not exist"


def rules(prometheus, runbook):
    known = set(get(f"{prometheus}/api/v1/label/__name__/values"))
    groups = get(f"{prometheus}/api/v1/rules")["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    alerts = [rule for rule in loaded if rule["type"] == "alerting"]
    findings = [finding for rule in loaded for finding in of_rule(prometheus, rule, known)]
    check(f"rules: each of {len(loaded)} evaluates and names metrics that exist", findings)
    findings = []
    for rule in (rule for rule in loaded if rule["type"] == "recording"):
        answer = get(f"{prometheus}/api/v1/query", query=rule["name"])["result"]
        if not [one for one in answer if one["value"][1] != "NaN"]:
            findings.append(f"{rule['name']} has no value")
    check("rules: each recording rule has a value", findings)
    findings = [finding for rule in alerts for finding in of_alert(rule)]
    check(f"alerts: severity, summary, description, runbook of each of {len(alerts)}", findings)
    if not Path(runbook).exists():
        print("skipped alerts: sections of the runbook: there is no runbook")
        return
    there = anchors(runbook)
    findings = [rule["name"] for rule in alerts if rule["name"].lower() not in there]
    check("alerts: the runbook has a section for each", findings)


def alert(alertmanager, name, receiver):
    """Waits until the alert is there, for 30 s at most."""
    seen = []
    for _ in range(60):
        try:
            seen = get(f"{alertmanager}/api/v2/alerts")
        except OSError:
            seen = []
        for one in seen:
            if one["labels"]["alertname"] == name:
                receivers = [to["name"] for to in one["receivers"]]
                values = [one["annotations"][key] for key in ("summary", "description")]
                is_good = receivers == [receiver] and not any("{{" in text for text in values)
                findings = [] if is_good else [f"seen {receivers}, {values}"]
                return check(f"alert {name} arrives at Alertmanager, for {receiver}", findings)
        time.sleep(0.5)
    return failed(f"alert {name}", f"expected at Alertmanager, seen {json.dumps(seen)[:300]}")


COMMANDS = {"dashboard": dashboard, "cases": cases, "load": load, "expressions": expressions,
            "rules": rules, "alert": alert}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
    sys.exit(failures > 0)
