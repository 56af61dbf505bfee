#!/usr/bin/env bash
# The units of deploy/systemd: what systemd itself says of them, and how the server does under it.
# With systemd-socket-activate the sockets are opened before the server is; as root, where the
# kernel lets it, a systemd runs as PID 1 in namespaces and an overlay of its own, with the units as
# they are shipped. Called by `make e2e`. Usage: tests/e2e/systemd.sh
# shellcheck source=tests/e2e/support.sh
source "$(dirname "$0")/support.sh"

units=$top/deploy/systemd
# Tenths of systemd-analyze's exposure level that the service may have at most.
exposure_max=15

if ! command -v systemd-analyze >/dev/null; then
  skipped systemd 'systemd is not installed (Debian package systemd)'
  exit 0
fi

# What systemd makes of the units, with the binary where this machine has it.
analyze() {
  local level said
  mkdir "$work/units"
  cp "$units"/*.service "$units"/*.socket "$work/units"
  sed --in-place "s,/usr/bin/logcaster,$logcaster," "$work/units/logcaster.service"
  if said=$(systemd-analyze verify --man=no "$work"/units/* 2>&1) && [[ -z $said ]]; then
    ok systemd_verify
  else
    failed systemd_verify "expected nothing to complain of, seen: $said"
  fi
  mkdir --parents "$work/units/logcaster.service.d"
  cp "$units/kmsg.conf" "$work/units/logcaster.service.d"
  if said=$(SYSTEMD_UNIT_PATH=$work/units: systemd-analyze verify --man=no logcaster.service 2>&1) &&
    [[ -z $said ]]; then
    ok systemd_verify_kmsg
  else
    failed systemd_verify_kmsg "expected nothing to complain of, seen: $said"
  fi
  level=$(systemd-analyze security --offline=true --no-pager "$units/logcaster.service" |
    sed --quiet 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
  if systemd-analyze security --offline=true --threshold="$exposure_max" --no-pager \
    "$units/logcaster.service" >/dev/null; then
    ok "systemd_exposure ($level)"
  else
    failed systemd_exposure "expected $exposure_max tenths at most, seen ${level:-nothing}"
  fi
}

# Each line of the service that restricts has a comment above it, or above its group.
commented() {
  local bare
  bare=$(awk '
    /^\[/ { part = $0; said = 0 }
    /^$/ { said = 0 }
    /^#/ { said = 1 }
    part == "[Service]" && /^(Private|Protect|Restrict|System|Memory|Lock|No|Remove|Device|UMask)/ &&
      !said { print }' "$units/logcaster.service")
  if [[ -z $bare ]]; then
    ok systemd_reasons
  else
    failed systemd_reasons "expected a reason above each line that restricts, none above: $bare"
  fi
}

# The server makes no system call that the service's filter refuses, but those that it can do
# without: setpriority is a wish, and rseq and the like are the C library's own.
filtered() {
  local name refused=()
  if ! command -v strace >/dev/null; then
    skipped systemd_filter 'strace is not installed'
    return
  fi
  expand @system-service | sort --unique >"$work/wide"
  { expand @privileged; expand @resources; } | sort --unique >"$work/narrow"
  comm -23 "$work/wide" "$work/narrow" >"$work/allowed.part"
  sed --quiet 's/^SystemCallFilter=\([a-z].*\)/\1/p' "$units/logcaster.service" | tr ' ' '\n' |
    sort - "$work/allowed.part" >"$work/allowed"
  strace --follow-forks --output="$work/trace" "$logcaster" serve --bind 127.0.0.1 --log-port 0 \
    --query-port 0 --http-port 0 --persist --dir "$work/traced" 2>"$work/traced.log" &
  started+=("$!")
  server=$! server_log=$work/traced.log
  await 20 is_listening || true
  echo hello | "$logcaster" send --addr "$logs"
  "$logcaster" query --addr "$questions" 'RECENT 1' >/dev/null
  pkill -HUP --parent "$server" || true
  pkill -TERM --parent "$server" || true
  await 20 is_gone "$server" || true
  sed --quiet 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$work/trace" | sort --unique >"$work/made"
  while IFS= read -r name; do
    # The first is made by strace's child before the filter is there.
    case $name in execve | setpriority) ;; *) refused+=("$name") ;; esac
  done < <(comm -23 "$work/made" "$work/allowed")
  if ((${#refused[@]} == 0)) && [[ -s $work/made ]]; then
    ok "systemd_filter ($(wc --lines <"$work/made") calls)"
  else
    failed systemd_filter "expected calls that the filter lets pass, seen ${refused[*]:-none}"
  fi
}

# The system calls of a set, and of the sets in it. Usage: expand SET
expand() {
  local line
  while IFS= read -r line; do
    case $line in
      '@'*) expand "$line" ;;
      ?*) echo "$line" ;;
    esac
  done < <(systemd-analyze syscall-filter --no-pager "$1" | sed --quiet 's/^    \([^#]\)/\1/p')
}

# The first connection starts the server, which finds its sockets by their names.
activated() {
  local log query pid answer
  log=$(free_port) query=$(free_port)
  systemd-socket-activate --listen="127.0.0.1:$log" --listen="127.0.0.1:$query" \
    --fdname=log:query "$logcaster" serve --http-port 0 >"$work/activate.log" 2>&1 &
  pid=$!
  started+=("$pid")
  await 10 grep --quiet "$query" "$work/activate.log" || true
  "$logcaster" send --addr "127.0.0.1:$log" <<<'activated by this line' || true
  answer=$("$logcaster" query --addr "127.0.0.1:$query" 'RECENT 1') || true
  if [[ $answer == *'activated by this line'* ]]; then
    ok systemd_socket_activate
  else
    failed systemd_socket_activate "expected the line that activated it, seen $answer"
  fi
  stop "$pid" || true
}

# A systemd of our own: an overlay of this machine's root, and a target that has our sockets only.
boot() {
  local dir
  root=$work/machine
  mkdir "$root" "$work/layers"
  mount -t tmpfs tmpfs "$work/layers" || return 1
  mkdir "$work/layers/upper" "$work/layers/work"
  mount -t overlay overlay "$root" -o \
    "lowerdir=/,upperdir=$work/layers/upper,workdir=$work/layers/work" || return 1
  install --mode=755 "$logcaster" "$root/usr/bin/logcaster"
  cp "$units"/*.service "$units"/*.socket "$root/etc/systemd/system"
  cp "$units/logcaster.sysusers" "$root/usr/lib/sysusers.d/logcaster.conf"
  cp "$units/logcaster.tmpfiles" "$root/usr/lib/tmpfiles.d/logcaster.conf"
  cat >"$root/etc/systemd/system/only.target" <<'END'
[Unit]
Requires=systemd-journald.service
Requires=logcaster-log.socket logcaster-query.socket logcaster-http.socket
END
  group=logcaster-test-$$
  for dir in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [[ -w $dir/cgroup.procs ]]; then mkdir --parents "$dir/$group"; fi
  done
  # The inner shell mounts what a machine has and becomes its PID 1.
  # shellcheck disable=SC2016
  (
    for dir in /sys/fs/cgroup{,/systemd,/unified}; do
      if [[ -d $dir/$group ]]; then echo "$BASHPID" >"$dir/$group/cgroup.procs"; fi
    done
    exec unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup bash -euc '
      mount --make-rprivate /
      mount -t proc proc "$1/proc"
      mount -t sysfs sysfs "$1/sys"
      if [[ $(stat --file-system --format=%T /sys/fs/cgroup) == cgroup2fs ]]; then
        mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
      else
        mount -t tmpfs tmpfs "$1/sys/fs/cgroup"
        mkdir "$1/sys/fs/cgroup/systemd" "$1/sys/fs/cgroup/unified"
        mount -t cgroup -o none,name=systemd cgroup "$1/sys/fs/cgroup/systemd"
        mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup/unified"
      fi
      for place in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$1/$place"; done
      chmod 1777 "$1/tmp"
      for device in null zero full random urandom tty kmsg; do
        touch "$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device" || rm "$1/dev/$device"
      done
      mkdir "$1/dev/pts" "$1/dev/shm"
      mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
      ln --symbolic pts/ptmx "$1/dev/ptmx"
      ln --symbolic /proc/self/fd "$1/dev/fd"
      # Not only chroot: who is in one may make no user namespace, which the service is to have.
      cd "$1"
      mkdir --parents run/before
      pivot_root . run/before
      umount --lazy run/before
      exec chroot . env --ignore-environment container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=only.target --log-target=console --show-status=0
    ' boot "$root"
  ) </dev/null >"$work/boot.log" 2>&1 &
  started+=("$!")
  machine=$!
  await 20 inside systemctl is-active --quiet logcaster-log.socket
}

# Runs a command in that machine. Usage: inside COMMAND...
inside() {
  local first
  first=$(pgrep --parent "$machine" | head --lines=1) && [[ -n $first ]] || return 1
  nsenter --target "$first" --mount --uts --ipc --net --pid --cgroup --root --wd \
    env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_PAGER=cat "$@"
}

# Called by `finish`, when that machine has ended.
clean_up() {
  if [[ -z ${root:-} ]]; then return; fi
  umount --lazy "$root" 2>/dev/null || true
  umount --lazy "$work/layers" 2>/dev/null || true
  if [[ -n ${group:-} ]]; then remove_groups "$group"; fi
}

property() {
  inside systemctl show --property="$1" --value logcaster.service
}

# Usage: expect NAME WANTED SEEN
expect() {
  if [[ $3 == *"$2"* ]]; then ok "$1"; else failed "$1" "expected $2, seen $3"; fi
}

is_restarted() {
  local now
  now=$(property MainPID)
  [[ $now != 0 && $now != "$1" && $(property SubState) == running ]]
}

# The commands of deploy/RUNBOOK.md that need a systemd.
runbook() {
  local command said tried=0
  while IFS= read -r command; do
    if said=$(inside bash -c "$command" 2>&1); then
      tried=$((tried + 1))
    else
      failed "runbook: $command" "expected 0, seen: $said"
    fi
  done < <(awk '/^```/ { inside = ($0 == "```console systemd"); next }
    inside && sub(/^\$ /, "") { print }' "$top/deploy/RUNBOOK.md")
  ok "systemd_runbook ($tried commands)"
}

# The service as it is shipped, under a real PID 1.
booted() {
  local pid
  if ((EUID != 0)) || ! command -v unshare nsenter >/dev/null || ! boot 2>"$work/mount.log"; then
    skipped systemd_pid1 "no systemd can be run here: $(tail --quiet --lines=1 "$work"/mount.log \
      "$work"/boot.log 2>/dev/null | tr '\n' ' ')"
    return
  fi
  inside systemd-sysusers && inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/logcaster.conf
  expect systemd_tmpfiles 'logcaster 750' "$(inside stat --format='%U %a' /var/lib/logcaster)"
  expect systemd_before_it inactive "$(property ActiveState)"
  inside bash -c 'echo first | logcaster send' 2>&1 || true
  inside journalctl --no-pager --output=cat --unit=logcaster >"$work/journal.log" 2>&1 || true
  expect systemd_activated 'running' "$(property SubState)"
  expect systemd_line first "$(inside logcaster query 'RECENT 1')"
  expect systemd_http ready "$(inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/9090 &&
    printf "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3 &&
    timeout 20 cat <&3')"
  expect systemd_status 'OK: ' "$(property StatusText)"
  expect systemd_user logcaster \
    "$(inside ps --no-headers -o user:20 -p "$(property MainPID)" 2>&1 || true)"
  inside systemctl reload logcaster.service || true
  expect systemd_reload reloaded "$(inside journalctl --no-pager --unit=logcaster)"
  pid=$(property MainPID)
  inside systemctl restart logcaster.service || true
  expect systemd_restart first "$(inside logcaster query 'RECENT 1')"
  # As the unit says, for the socket of a service that runs is refused.
  if inside systemctl start logcaster-irc.socket 2>/dev/null; then
    failed systemd_irc_alone 'expected that a socket is refused beside its service'
  fi
  inside systemctl --quiet enable logcaster-irc.socket
  inside systemctl restart logcaster.service || true
  expect systemd_irc ' 001 probe ' "$(says_welcome)"
  runbook
  # A loop that stands still is found by the watchdog and ended; the sockets bring it back.
  inside mkdir --parents /run/systemd/system/logcaster.service.d
  inside bash -c 'printf "[Service]\nWatchdogSec=1s\n" \
    >/run/systemd/system/logcaster.service.d/watchdog.conf'
  inside systemctl daemon-reload
  inside systemctl restart logcaster.service || true
  pid=$(property MainPID)
  if ((pid > 0)); then inside kill -STOP "$pid" || true; fi
  if await 20 is_restarted "$pid"; then
    ok systemd_watchdog
  else
    failed systemd_watchdog "expected another process than $pid, seen $(property SubState)"
  fi
  inside systemctl stop --quiet logcaster.service 2>/dev/null
  expect systemd_stop 'success' "$(property Result)"
}

analyze
commented
filtered
activated
booted
