#!/usr/bin/env python3
# Upgrades and rolls back a server under load, as a service manager does it, and measures. Prints
# `ok NAME (...)` or `FAILED NAME: ...` for each way; exit code 1 where one failed.
#
# Usage: upgrade.py OLD NEW DIR WAY, with WAY one of
#   sockets   the manager holds the sockets, stops the server and starts the next (systemd's way)
#   takeover  the next server is started first and waits for lock and ports (--lock-wait)
# Lines come at 10,000 a second from each of: a client that keeps its connection and makes another
# when the server ends it, and `logcaster send --retry`. Every line must be there in the end.
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

OLD, NEW, DIR, WAY = sys.argv[1:5]
LINES_PER_S = 10_000
BATCH = 100
OUTAGE_MAX_S = 1.0
PATIENCE_S = 30.0


def listen():
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    return listener


class Servers:
    """Starts and stops servers on the same two ports, with sockets passed or not."""

    def __init__(self):
        self.sockets = [listen(), listen()]
        self.ports = [one.getsockname()[1] for one in self.sockets]
        self.log = open(os.path.join(DIR, "servers.log"), "ab")
        if WAY == "takeover":
            for one in self.sockets:
                one.close()
        self.running = None

    def start(self, binary):
        words = [binary, "serve", "--persist", "--dir", os.path.join(DIR, "ring"), "--size", "64",
                 "--log-port", str(self.ports[0]), "--query-port", str(self.ports[1]),
                 "--bind", "127.0.0.1", "--http-port", "0", "--lock-wait", "20s"]
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("LOGCASTER_", "LISTEN_", "NOTIFY_"))}
        if WAY == "takeover":
            return subprocess.Popen(words, stderr=self.log, env=environment)
        environment |= {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "log:query"}
        # A shell puts the sockets where the server looks for them, and its own id is the server's.
        shell = ["bash", "-c", 'exec 3<&"$1" 4<&"$2"; export LISTEN_PID=$$; shift 2; exec "$@"',
                 "pass", *(str(one.fileno()) for one in self.sockets), *words]
        numbers = [one.fileno() for one in self.sockets]
        return subprocess.Popen(shell, stderr=self.log, env=environment, pass_fds=numbers)

    def replace(self, binary):
        """The next server, from the word to stop until it answers."""
        before = self.running
        if WAY == "takeover":
            self.running = self.start(binary)
            time.sleep(0.2)
            end(before)
        else:
            if before:
                end(before)
            self.running = self.start(binary)


def end(server):
    server.send_signal(signal.SIGTERM)
    code = server.wait(timeout=PATIENCE_S)
    if code != 0:
        raise RuntimeError(f"the server ended with {code}")


def ask(port, question, patience=PATIENCE_S):
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.settimeout(patience)
        connection.sendall(question + b"\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return answer


class Probe(threading.Thread):
    """Asks all the time; the longest that a question waited for its answer is the outage."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.worst = 0.0
        self.refused = 0
        self.done = False

    def run(self):
        while not self.done:
            began = time.monotonic()
            while not self.done:
                try:
                    if ask(self.port, b"COUNT").startswith(b"COUNT: "):
                        break
                except OSError:
                    self.refused += 1
                time.sleep(0.002)
            self.worst = max(self.worst, time.monotonic() - began)
            time.sleep(0.002)


def paced(name, done):
    """Batches of lines at the rate that is wanted, until `done`."""
    began, sent = time.monotonic(), 0
    while not done.is_set():
        yield "".join(f"{name} {number} of the load of an upgrade\n"
                      for number in range(sent, sent + BATCH)).encode()
        sent += BATCH
        time.sleep(max(0.0, began + sent / LINES_PER_S - time.monotonic()))


class Keeping(threading.Thread):
    """A client as libraries are: one connection; it looks for the server's end before it writes,
    and connects again. What the server has not taken in when the connection ended properly it has
    not told the end of: such a batch is sent again."""

    def __init__(self, port, done):
        super().__init__(daemon=True)
        self.port, self.done = port, done
        self.sent, self.connections, self.connection = 0, 0, None

    def connect(self):
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                self.connections += 1
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.005)

    def finish(self):
        """Ends our side and waits for the server's: all that was written is then stored."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(PATIENCE_S)
        while self.connection.recv(4096):
            pass
        self.connection.close()

    def run(self):
        self.connect()
        for batch in paced("keeping", self.done):
            if select.select([self.connection], [], [], 0)[0]:
                self.finish()
                self.connect()
            self.connection.sendall(batch)
            self.sent += BATCH
        self.finish()


class Retrying(threading.Thread):
    """`logcaster send --retry`, fed at a pace."""

    def __init__(self, port, done):
        super().__init__(daemon=True)
        self.done, self.sent = done, 0
        self.sender = subprocess.Popen(
            [NEW, "send", "--retry", "--addr", f"127.0.0.1:{port}"], stdin=subprocess.PIPE)

    def run(self):
        for batch in paced("retrying", self.done):
            self.sender.stdin.write(batch)
            self.sent += BATCH
        self.sender.stdin.close()
        if self.sender.wait(timeout=PATIENCE_S) != 0:
            raise RuntimeError("send --retry gave up")


def measure(name, servers, binary):
    probe = Probe(servers.ports[1])
    probe.start()
    time.sleep(1.0)
    servers.replace(binary)
    time.sleep(1.0)
    probe.done = True
    probe.join()
    word = "ok" if probe.worst < OUTAGE_MAX_S else "FAILED"
    detail = f"{1000 * probe.worst:.0f} ms without an answer, {probe.refused} refused"
    print(f"{word} {name} ({detail})" if word == "ok" else
          f"{word} {name}: expected less than {OUTAGE_MAX_S} s, seen {detail}", flush=True)
    return word == "ok"


def check(name, sent, answer):
    """Every line that was sent is there; one that is there twice was sent twice."""
    numbers = [int(line.split()[1]) for line in answer.splitlines()
               if line.startswith(name.encode() + b" ")]
    missing = sent - len(set(numbers))
    twice = len(numbers) - len(set(numbers))
    if missing or not sent:
        print(f"FAILED {WAY}_{name}: expected {sent} lines, {missing} are missing", flush=True)
    else:
        print(f"ok {WAY}_{name} ({sent} lines, none missing, {twice} twice)", flush=True)
    return not missing and sent > 0


def main():
    servers = Servers()
    servers.running = servers.start(OLD)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            ask(servers.ports[1], b"COUNT")
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    done = threading.Event()
    senders = {"keeping": Keeping(servers.ports[0], done),
               "retrying": Retrying(servers.ports[0], done)}
    for sender in senders.values():
        sender.start()
    results = [measure(f"{WAY}_upgrade", servers, NEW), measure(f"{WAY}_rollback", servers, OLD),
               measure(f"{WAY}_upgrade_again", servers, NEW)]
    done.set()
    for sender in senders.values():
        sender.join()
    answer = ask(servers.ports[1], b"QUERY format=raw")
    results += [check(name, sender.sent, answer) for name, sender in senders.items()]
    end(servers.running)
    sys.exit(0 if all(results) else 1)


main()
