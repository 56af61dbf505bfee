"""Says the same to two IRC servers and compares the numerics and the number of parameters of what
they answer, where the RFCs say one thing. Called by irc.sh. Usage: irc_compare.py PORT OTHER_PORT"""

import socket
import sys
import time

# What is said, and the replies that both must give: numerics, with how many parameters each has.
CASES = [
    ("PING token", ["PONG"]),
    ("JOIN #one", ["JOIN", "353", "366"]),
    ("TOPIC #one", ["331"]),
    ("TOPIC #one :words", ["TOPIC"]),
    ("TOPIC #one", ["332"]),
    ("NAMES #one", ["353", "366"]),
    ("MODE #one +k word", ["MODE"]),
    ("MODE #one +b bad!*@*", ["MODE"]),
    ("MODE #one b", ["367", "368"]),
    ("MODE #one +o nobody", ["401"]),
    ("MODE #one +x", ["472"]),
    ("MODE #nowhere", ["403"]),
    ("MODE somebody +i", ["401"]),
    ("WHO #one", ["352", "315"]),
    ("WHOIS nobody", ["401", "318"]),
    ("WHOIS", ["431"]),
    ("WHOWAS nobody", ["406", "369"]),
    ("ISON me nobody", ["303"]),
    ("USERHOST me", ["302"]),
    ("AWAY :gone", ["306"]),
    ("AWAY", ["305"]),
    ("NICK", ["431"]),
    ("NICK 1bad", ["432"]),
    ("USER a b c d", ["462"]),
    ("PASS x", ["462"]),
    ("PRIVMSG", ["411"]),
    ("PRIVMSG nobody", ["412"]),
    ("PRIVMSG nobody :x", ["401"]),
    ("INVITE nobody #one", ["401"]),
    ("KICK #one nobody", ["401"]),
    ("KICK #nowhere x", ["403"]),
    ("PART #nowhere", ["403"]),
    ("PART", ["461"]),
    ("JOIN", ["461"]),
    ("FROBNICATE", ["421"]),
    ("LUSERS", ["251", "254", "255", "265", "266"]),
    ("VERSION", ["351"]),
    ("TIME", ["391"]),
    ("MOTD", ["375", "372", "376"]),
    ("PART #one :done", ["PART"]),
]


class Client:
    def __init__(self, port):
        until = time.monotonic() + 10
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")
        self.socket.settimeout(10)
        self.say("NICK me")
        self.say("USER me 0 * :Me")
        self.until("PONG welcome", "PING welcome")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def until(self, _, question):
        """Everything that comes before the answer to a PING."""
        self.say(question)
        lines = []
        while True:
            line = self.file.readline().decode().rstrip("\r\n")
            if not line:
                sys.exit("a server closed the connection")
            if line.startswith("PING"):
                self.say("PONG" + line[4:])
                continue
            words = line.split(" ")
            if words[1] == "PONG" and line.endswith(question.split(" ")[1]):
                return lines
            lines.append(line)


def shape(line):
    """The command of a line, and how many parameters it has."""
    head, _, trailing = line.partition(" :")
    words = head.split(" ")
    return words[1], len(words) - 2 + (1 if trailing or " :" in line else 0)


ours, other = Client(int(sys.argv[1])), Client(int(sys.argv[2]))
differing = 0
for number, (said, expected) in enumerate(CASES):
    answers = []
    for client in (ours, other):
        client.say(said)
        lines = client.until("", f"PING sync{number}")
        shapes = [shape(line) for line in lines]
        answers.append({command: count for command, count in shapes if command in expected})
    if any(command not in answers[0] for command in expected):
        print(f"{said}: expected {expected}, ours {answers[0]}, the other {answers[1]}")
        differing += 1
        continue
    for command, count in answers[0].items():
        # Texts of numbers alone may hold more parameters in one than in the other.
        if command in answers[1] and answers[1][command] != count and command not in ("265", "266"):
            print(f"{said}: {command} with {count} parameters, the other {answers[1][command]}")
            differing += 1
if differing:
    sys.exit(1)
print(f"{len(CASES)} commands answered by the same numerics")
