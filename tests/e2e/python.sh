#!/usr/bin/env bash
# Python's SysLogHandler over UDP, TCP and both kinds of Unix socket, with a traceback, which holds
# newlines, in the middle. Usage: tests/e2e/python.sh
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

start_server --syslog 127.0.0.1:0 --unix "$work/dgram" --unix "stream:$work/stream"

# Sends three records and checks them. The handler ends a record with NUL unless told otherwise.
# Usage: handler NAME MARK ADDRESS KIND TRANSPORT
handler() {
  local name=$1 mark=$2 address=$3 kind=$4 transport=$5
  python3 - "$mark" "$address" "$kind" <<'PYTHON'
import logging
import logging.handlers
import socket
import sys

mark, address, kind = sys.argv[1:]
if kind in ("SOCK_STREAM", "SOCK_DGRAM") and ":" in address:
    host, port = address.rsplit(":", 1)
    address = (host, int(port))
handler = logging.handlers.SysLogHandler(
    address, facility="local2", socktype=getattr(socket, kind))
handler.ident = f"{mark}[4242]: "
log = logging.getLogger("edge")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
log.warning("payment timeout user=%d: grüße ✓", 42)
try:
    1 // 0
except ZeroDivisionError:
    log.exception("it broke")
log.critical("after the traceback")
handler.close()
PYTHON
  check "python SysLogHandler, $name" "$mark" \
    level=warning "app=$mark" facility=local2 proc_id=4242 "transport=$transport" \
    'message=payment timeout user=42: grüße ✓' -- \
    level=error "app=$mark" \
    $'message~=^it broke\nTraceback .*\n  File .*\nZeroDivisionError: [^\n]*$' -- \
    level=critical "app=$mark" 'message=after the traceback'
}

handler 'UDP' python-mark-1 "$syslog" SOCK_DGRAM udp
handler 'TCP' python-mark-2 "$logs" SOCK_STREAM tcp
handler 'TCP to the syslog port' python-mark-3 "$syslog" SOCK_STREAM tcp
handler 'datagram socket' python-mark-4 "$work/dgram" SOCK_DGRAM unix
handler 'stream socket' python-mark-5 "$work/stream" SOCK_STREAM unix

# glibc's syslog(3), which Python's other module is, writes to /dev/log alone: see busybox.sh.
stop_server
