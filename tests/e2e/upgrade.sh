#!/usr/bin/env bash
# Upgrades and rollbacks at 10,000 lines a second from two senders: how long nobody is answered
# (less than a second), and that no line is lost. E2E_OLD_BINARY names the binary that is upgraded
# from and rolled back to; without it, it is a copy of the new one. Called by `make e2e`.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

old=${E2E_OLD_BINARY:-$work/older}
if [[ -z ${E2E_OLD_BINARY:-} ]]; then cp "$logcaster" "$old"; fi

for way in sockets takeover; do
  mkdir "$work/$way"
  python3 "$top/tests/e2e/upgrade.py" "$old" "$logcaster" "$work/$way" "$way" ||
    failures=$((failures + 1))
  cp "$work/$way/servers.log" "$work/$way.log"
done
