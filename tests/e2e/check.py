#!/usr/bin/env python3
# Waits until a server holds the records that are expected, compares them and prints one line:
# `ok NAME`, or `FAILED NAME: what was expected, what was seen` with exit code 1.
#
# Usage: check.py HOST:PORT NAME MARK [FIELD=VALUE...] [-- FIELD=VALUE...]...
# Records are those that hold MARK, oldest first; `--` stands between two. A field is one of the
# record (level, message), of its labels (host, app, transport) or of its fields. `FIELD~=PATTERN`
# matches a pattern anywhere in the value; `FIELD=` wants it empty or absent.
import json
import re
import socket
import sys
import time

DEADLINE_S = 15.0


def ask(address, question):
    """The records of an answer to QUERY … format=json."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall(question.encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            head = answer.readline().decode()
            if not head.startswith("FOUND: "):
                raise ValueError(f"{question!r} is answered {head!r}")
            return [json.loads(line) for line in answer if line.strip()]


def value(record, name):
    """A value by its name, as text; empty where there is none."""
    if name == "message":
        found = record.get("_msg", record.get("msg", ""))
    else:
        places = [record, record.get("labels", {}), record.get("fields", {})]
        found = next((place[name] for place in places if name in place), "")
    return found if isinstance(found, str) else json.dumps(found)


def differences(record, wanted):
    for condition in wanted:
        name, sign, want = re.fullmatch(r"([\w.@]+)(~?=)(.*)", condition, re.DOTALL).groups()
        seen = value(record, name)
        if not (re.search(want, seen, re.DOTALL) if sign == "~=" else seen == want):
            yield f"{name}{sign}{want!r}, seen {seen!r}"


def groups(arguments):
    group = []
    for argument in arguments:
        if argument == "--":
            yield group
            group = []
        else:
            group.append(argument)
    yield group


def judge(address, mark, wanted):
    """What is wrong; None where nothing is."""
    end = time.monotonic() + DEADLINE_S
    question = f'QUERY keyword="{mark}" limit=1000 order=asc format=json'
    while True:
        records = ask(address, question)
        if len(records) >= len(wanted):
            break
        if time.monotonic() > end:
            return f"{len(wanted)} records with {mark}, seen {len(records)}: {records}"
        time.sleep(0.05)
    if len(records) > len(wanted):
        return f"{len(wanted)} records with {mark}, seen {len(records)}: {records}"
    for number, (record, conditions) in enumerate(zip(records, wanted), 1):
        wrong = list(differences(record, conditions))
        if wrong:
            return f"record {number}: {'; '.join(wrong)}; in {json.dumps(record)}"
    return None


def main():
    address, name, mark = sys.argv[1:4]
    try:
        wrong = judge(address, mark, list(groups(sys.argv[4:])))
    except (OSError, ValueError) as error:
        wrong = f"an answer, seen {error}"
    if wrong:
        print(f"FAILED {name}: expected {wrong}")
        sys.exit(1)
    print(f"ok {name}")


main()
