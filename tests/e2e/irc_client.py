"""Two clients of Python's irc library: one joins #logs-error, sees an error come, asks LogBot, and
talks to the other. Called by irc.sh. Usage: irc_client.py IRC_PORT LOG_PORT"""

import socket
import sys
import time

import irc.client

irc_port, log_port = int(sys.argv[1]), int(sys.argv[2])
heard = []


def note(connection, event):
    heard.append((connection.get_nickname(), event.type, event.source, event.target, event.arguments))


def await_event(reactor, what, test, seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reactor.process_once(0.05)
        for event in heard:
            if test(event):
                return event
    sys.exit(f"{what} did not come; heard {heard[-10:]}")


reactor = irc.client.Reactor()
reactor.add_global_handler("all_events", note)
first = reactor.server().connect("127.0.0.1", irc_port, "pyfirst")
second = reactor.server().connect("127.0.0.1", irc_port, "pysecond")
for nick in ("pyfirst", "pysecond"):
    await_event(reactor, "a welcome", lambda event, nick=nick: event[:2] == (nick, "welcome"))
first.join("#logs-error")
second.join("#logs-error")
for nick in ("pyfirst", "pysecond"):
    await_event(reactor, "the names", lambda event, nick=nick: event[:2] == (nick, "endofnames"))

with socket.create_connection(("127.0.0.1", log_port)) as sender:
    began = time.monotonic()
    sender.sendall(b"ERROR python says the disk is full\n")


def is_line(event):
    return event[1] == "pubmsg" and "python says the disk is full" in event[4][0]


event = await_event(reactor, "the error", is_line, 1.0)
assert event[2].nick == "LogBot", event
first.privmsg("#logs-error", "!query keyword=python")
await_event(reactor, "LogBot's answer", lambda event: "1 match" in str(event[4]))
second.privmsg("pyfirst", "did you see that?")
await_event(
    reactor,
    "a private message",
    lambda event: event[:2] == ("pyfirst", "privmsg") and event[4] == ["did you see that?"],
)
first.whois(["pysecond"])
await_event(reactor, "WHOIS", lambda event: event[1] == "endofwhois")
first.quit("bye")
await_event(reactor, "QUIT", lambda event: event[:2] == ("pysecond", "quit"))
print("ok")
