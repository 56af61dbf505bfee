"""Checks what kustomize rendered against the server that it is to run; see kubernetes.sh.

Usage, in a network namespace: kubernetes.py NAME RENDERED BINARY WORK-FOLDER
"""
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request

import yaml

name, rendered, binary, work = sys.argv[1:]
USER = 65532
failures = 0


def claim(what, holds, seen=""):
    """Says whether a claim holds; with what was seen where it does not."""
    global failures
    if holds:
        print(f"ok {name}: {what}")
    else:
        failures += 1
        print(f"FAILED {name}: {what}: seen {seen!r}")


def loopback_up():
    """A new network namespace has a loopback that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sh", b"lo", 0x1 | 0x40)
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS


def get(port, path):
    """The status and the body of an answer over HTTP; 0 where there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def bytes_of(size):
    """The bytes of a size as Kubernetes and logcaster write it."""
    number, unit = re.fullmatch(r"(\d+)([KMG]?)i?", size).groups()
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]


with open(rendered, encoding="utf-8") as file:
    resources = list(yaml.safe_load_all(file))
of_kind = {one["kind"]: one for one in resources}
workload = next(one for one in resources if "template" in one.get("spec", {}))
template = workload["spec"]["template"]
pod, labels = template["spec"], template["metadata"]["labels"]
containers = pod["containers"] + pod.get("initContainers", [])
server = next(one for one in containers if one["name"] == "logcaster")
ports = {port["name"]: port for port in server["ports"]}

# Names that must fit each other.
for kind in ("Service", "NetworkPolicy", "ServiceMonitor"):
    spec = of_kind.get(kind, {}).get("spec", {})
    wanted = spec.get("selector") or spec.get("podSelector") or {}
    wanted = wanted.get("matchLabels", wanted)
    if kind in of_kind:
        claim(f"the {kind} selects it", wanted and wanted.items() <= labels.items(), wanted)
wanted = workload["spec"]["selector"]["matchLabels"]
claim("the workload selects it", wanted.items() <= labels.items(), wanted)
for port in of_kind["Service"]["spec"]["ports"]:
    at = ports.get(port["targetPort"], {})
    same = at.get("protocol", "TCP") == port.get("protocol", "TCP")
    claim(f"the Service's port {port['name']} is one of it", at and same, port)
for rule in of_kind.get("NetworkPolicy", {}).get("spec", {}).get("ingress", []):
    for port in rule["ports"]:
        claim(f"the policy's port {port['port']} is one of it", port["port"] in ports, port)
source = server["envFrom"][0]["configMapRef"]["name"]
claim("its settings are there", source == of_kind["ConfigMap"]["metadata"]["name"], source)

# What is locked down.
claim("services do not become variables", pod["enableServiceLinks"] is False)
claim("no token of the API", pod["automountServiceAccountToken"] is False)
context = pod["securityContext"]
claim("not root", context["runAsNonRoot"] and context["runAsUser"] == USER, context)
claim("seccomp", context["seccompProfile"]["type"] == "RuntimeDefault", context)
for each in containers:
    own = each["securityContext"]
    is_restricted = own["allowPrivilegeEscalation"] is False
    is_restricted &= own["capabilities"]["drop"] == ["ALL"]
    claim(f"{each['name']} is restricted", is_restricted, own)
claim("a read-only root", server["securityContext"]["readOnlyRootFilesystem"])

settings = of_kind["ConfigMap"]["data"]
ring, memory = bytes_of(settings["LOGCASTER_SIZE"]), server["resources"]["limits"]["memory"]
claim("the ring is less than half the memory", ring * 2 < bytes_of(memory), memory)
for claimed in workload["spec"].get("volumeClaimTemplates", []):
    volume = claimed["spec"]["resources"]["requests"]["storage"]
    claim("a second ring fits on the volume", ring * 2 < bytes_of(volume), volume)
for volume in pod.get("volumes", []):
    if limit := volume.get("emptyDir", {}).get("sizeLimit"):
        claim("a second ring fits on the volume", ring * 2 < bytes_of(limit), limit)

# The server in an empty root, as the pod's user, with the rendered settings.
loopback_up()
os.makedirs(f"{work}/data")
os.chown(f"{work}/data", USER, USER)
shutil.copy(binary, f"{work}/logcaster")


def into_the_root():
    os.chroot(work)
    os.chdir("/")
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


began = time.monotonic()
with open(f"{work}/stderr", "w", encoding="utf-8") as stderr:
    process = subprocess.Popen(
        ["/logcaster", "-P", "-d", "/data"],
        env={"LOGCASTER_BIND": "all", **settings},
        preexec_fn=into_the_root,
        stderr=stderr,
    )
probe = server["startupProbe"]
allowed = probe.get("periodSeconds", 10) * probe["failureThreshold"]
path, port = probe["httpGet"]["path"], ports[probe["httpGet"]["port"]]["containerPort"]
while get(port, path)[0] != 200 and time.monotonic() - began < allowed:
    time.sleep(0.005)
claim(f"{path} says 200 at the start", get(port, path)[0] == 200)
for which in ("readinessProbe", "livenessProbe"):
    probe = server[which]["httpGet"]
    status, _ = get(ports[probe["port"]]["containerPort"], probe["path"])
    claim(f"{which} {probe['path']} says 200", status == 200, status)
for endpoint in of_kind["ServiceMonitor"]["spec"]["endpoints"]:
    named = {port["name"]: port for port in of_kind["Service"]["spec"]["ports"]}
    at = ports[named[endpoint["port"]]["targetPort"]]["containerPort"]
    status, text = get(at, endpoint["path"])
    claim("there is what Prometheus scrapes", status == 200 and "# TYPE" in text, status)


def ask(question):
    with socket.create_connection(("127.0.0.1", 9998), 5) as asked:
        asked.sendall(question + b"\n")
        asked.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: asked.recv(65536), b"")).decode().strip()


for key in ("logs", "syslog", "syslog-udp"):
    at = ("127.0.0.1", ports[key]["containerPort"])
    if ports[key].get("protocol") == "UDP":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<14>hello", at)
    else:
        with socket.create_connection(at, 5) as sender:
            sender.sendall(b"<14>hello\n")
until = time.monotonic() + 5
while ask(b"COUNT") != "COUNT: 3" and time.monotonic() < until:
    time.sleep(0.01)
claim("a line at each port is stored", ask(b"COUNT") == "COUNT: 3", ask(b"COUNT"))

process.send_signal(signal.SIGTERM)
code = process.wait(pod["terminationGracePeriodSeconds"])
claim("ends well within the grace period", code == 0, code)
with open(f"{work}/stderr", encoding="utf-8") as stderr:
    said = stderr.read()
warnings = [line for line in said.splitlines() if '"warn"' in line or "ignored" in line]
claim("knows every setting", not warnings, warnings)
sys.exit(failures > 0)
