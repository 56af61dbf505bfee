"""Types at a shell's prompt, asks it to complete, and looks at what it offers.

Usage: completion.py BINARY bash|zsh|fish DIRECTORY, from completion.sh.
"""

import atexit
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

BINARY, SHELL, WORK = sys.argv[1:]
PATIENCE_S = 15

# What is typed, and words that must be offered, or that one that it becomes.
CASES = [
    ("logcaster qu", ["query"]),
    ("logcaster ", ["serve", "query", "tail", "send", "ping", "verify", "export", "bench",
                    "config", "completion"]),
    ("logcaster --pers", ["--persist"]),
    ("logcaster serve --sync ", ["never", "interval", "always"]),
    ("logcaster serve --log-level d", ["debug"]),
    ("logcaster completion ", ["bash", "zsh", "fish"]),
    ("logcaster export --format ", ["text", "json", "raw"]),
    ("logcaster verify onlyd", ["onlydir"]),
    ("logcaster send onlyf", ["onlyfile"]),
]
# Subcommands all of whose flags must be offered, as their help names them.
FLAGS = ["serve", "query", "tail", "send", "ping", "bench"]


def offered(word, seen):
    """Whether a word is among what is offered, and not only a part of one."""
    return re.search(r"(?<![\w-])" + re.escape(word) + r"(?![\w-])", seen)


def flags_of(command):
    """The long flags in the help of a subcommand."""
    text = subprocess.run([BINARY, command, "-h"], capture_output=True, text=True, check=True)
    flags = re.findall(r"^ {2,6}(?:-\w, )?(--[a-z-]+)", text.stdout, re.MULTILINE)
    assert len(flags) > 1, text.stdout
    return [flag for flag in flags if flag not in ("--help", "--version")]


class Terminal:
    """A shell at a terminal that is large enough to show every offer at once."""

    def __init__(self, command, environment):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(WORK)
            os.execvpe(command[0], command, {**os.environ, **environment})
        import fcntl
        import struct
        import termios
        size = struct.pack("HHHH", 1000, 200, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)

    def write(self, text):
        os.write(self.terminal, text.encode())

    def read_until(self, is_enough, patience_s=PATIENCE_S):
        """What comes until it is enough, or nothing more is to be waited for."""
        seen, end = "", time.monotonic() + patience_s
        while not is_enough(seen) and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    seen += os.read(self.terminal, 65536).decode(errors="replace")
                except OSError:
                    break
        return seen

    def close(self):
        os.close(self.terminal)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


class Zsh:
    """zsh with the script where a person puts it. It is asked at its prompt."""

    def __init__(self, script):
        functions = os.path.join(WORK, "functions")
        os.makedirs(functions, exist_ok=True)
        shutil.copy(script, os.path.join(functions, "_logcaster"))
        self.terminal = Terminal(["zsh", "-f", "-i"], {"TERM": "dumb"})
        atexit.register(self.terminal.close)
        # Offers are listed at once, however many there are, and a lone one as well.
        self.terminal.write(
            f"fpath=({functions} $fpath); autoload -U compinit; compinit -u -d {WORK}/dump; "
            "zstyle ':completion:*' list-separator '--'; LISTMAX=100000; "
            "setopt nobeep noalwayslastprompt; bindkey '^I' list-choices; bindkey '^X' kill-buffer;"
            "PS1='at''prompt '; print rea''dy\n")
        self.terminal.read_until(lambda seen: "ready" in seen and "atprompt" in seen)

    def offers(self, typed, wanted):
        self.terminal.write(typed)
        self.terminal.read_until(lambda seen: typed[-4:].strip() in seen, 2)
        self.terminal.write("\t")
        seen = self.terminal.read_until(
            lambda seen: all(offered(word, seen) for word in wanted), 5)
        # What is left on the line is thrown away, and a command tells when the prompt is back.
        self.terminal.write("\x18print do''ne\n")
        self.terminal.read_until(lambda seen: "atprompt" in seen.partition("done")[2])
        return seen


class Fish:
    """fish, which says what it would offer."""

    def __init__(self, script):
        self.script = script

    def offers(self, typed, _wanted):
        line = typed.replace("'", "\\'")
        command = f"source {self.script}; complete --do-complete '{line}'"
        ran = subprocess.run(["fish", "--no-config", "-c", command], cwd=WORK, check=False,
                             capture_output=True, text=True)
        assert not ran.stderr, ran.stderr
        return ran.stdout


class Bash:
    """bash, whose function fills an array."""

    def __init__(self, script):
        self.script = script

    def offers(self, typed, _wanted):
        words = typed.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        command = (f"set -u; source {self.script}; COMP_WORDS=({quoted}); "
                   f"COMP_CWORD={len(words) - 1}; COMPREPLY=(); _logcaster; "
                   "printf '%s\\n' \"${COMPREPLY[@]}\"; complete -p logcaster >/dev/null")
        ran = subprocess.run(["bash", "--norc", "-c", command], cwd=WORK, check=False,
                             capture_output=True, text=True)
        assert not ran.stderr, ran.stderr
        return ran.stdout


def main():
    script = os.path.join(WORK, f"completion.{SHELL}")
    with open(script, "w", encoding="utf-8") as file:
        subprocess.run([BINARY, "completion", SHELL], stdout=file, check=True)
    os.makedirs(os.path.join(WORK, "onlydir"), exist_ok=True)
    with open(os.path.join(WORK, "onlyfile"), "w", encoding="utf-8"):
        pass
    read = subprocess.run([SHELL, "-n", script], capture_output=True, text=True, check=False)
    if read.returncode != 0 or read.stderr:
        print(f"FAILED completion in {SHELL}: expected a script that it reads, seen {read.stderr}")
        return 1
    shell = {"bash": Bash, "zsh": Zsh, "fish": Fish}[SHELL](script)
    failures = 0
    cases = CASES + [(f"logcaster {command} --", flags_of(command)) for command in FLAGS]
    for typed, wanted in cases:
        seen = shell.offers(typed, wanted)
        missing = [word for word in wanted if not offered(word, seen)]
        if missing:
            failures += 1
            print(f"FAILED completion in {SHELL}: expected {missing} behind {typed!r}, "
                  f"seen {seen[-300:]!r}")
    if not failures:
        print(f"ok completion in {SHELL}: {len(cases)} lines")
    return int(failures > 0)


sys.exit(main())
