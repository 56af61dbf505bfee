#!/usr/bin/env python3
# Writes tests/data/levels/*.txt, the level of every line of the sample logs, as runs `count level`.
# Run it from the project's root when a sample log is added. It reads each log by that log's own
# layout (a column, or what its program puts before a message) and knows nothing of src/level.rs.
import pathlib
import re

HERE = pathlib.Path("tests/data")
NAMES = {
    "V": "trace", "D": "debug", "I": "info", "W": "warning", "E": "error", "F": "critical",
    "INFO": "info", "WARN": "warning", "WARNING": "warning", "ERROR": "error", "SEVERE": "error",
    "FATAL": "critical", "[notice]": "notice", "[error]": "error",
}
# Where the level stands, counted in words from 0.
COLUMN = {
    "Android": 4, "Apache": 5, "BGL": 8, "HDFS": 3, "Hadoop": 2, "OpenStack": 4, "Spark": 2,
    "Zookeeper": 3,
}
# The logs of syslogd have no level of their own. A few programs in them begin the message with one:
# sshd (log.c puts `error: ` and `fatal: ` there), xinetd, gpm and logrotate.
SYSLOG = re.compile(r"\w{3} +\d+ [\d:]{8} \S+ [^:]*?(?:\[\d+\])?: (?:\*\*\* )?(error|fatal|warning|info|ALERT)\b[: ]")
PREFIX = {"error": "error", "fatal": "critical", "warning": "warning", "info": "info",
          "ALERT": "alert"}


def level(name, line):
    if name in COLUMN:
        return NAMES[line.split()[COLUMN[name]]]
    found = SYSLOG.match(line)
    return PREFIX[found[1]] if found else "unknown"


for log in sorted(HERE.glob("loghub/*_2k.log")):
    name = log.name.removesuffix("_2k.log")
    runs = []
    lines = log.read_bytes().decode("latin-1").removesuffix("\n").split("\n")
    for line in lines:
        found = level(name, line)
        if runs and runs[-1][1] == found:
            runs[-1][0] += 1
        else:
            runs.append([1, found])
    out = HERE / "levels" / f"{name}.txt"
    out.write_text("".join(f"{count} {found}\n" for count, found in runs))
    print(name, len(lines), len(runs))
