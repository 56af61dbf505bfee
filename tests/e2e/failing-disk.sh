#!/usr/bin/env bash
# A disk that fails: a file system on a loop device whose image lies in a tmpfs without room, so that
# every block that is not there yet is an I/O error. What is written ahead fails first, then a sync.
# Needs root, loop devices and mkfs.ext4. Called by `make e2e`.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "$0")/support.sh"

if ((EUID != 0)); then
  skipped failing-disk 'mounting needs root'
  exit
fi
for tool in losetup mkfs.ext4 mountpoint filefrag fallocate blockdev; do
  if ! command -v "$tool" >/dev/null; then
    skipped failing-disk "$tool is not installed"
    exit
  fi
done

small=$work/small
disk=$work/disk
device=
# Called by `finish`, when the server that holds the disk has ended.
clean_up() {
  if mountpoint --quiet "$disk"; then umount "$disk" || umount --lazy "$disk" || true; fi
  if [[ -n $device ]]; then losetup --detach "$device" || true; fi
  if mountpoint --quiet "$small"; then umount "$small" || umount --lazy "$small" || true; fi
}

mkdir "$small" "$disk"
if ! mount -t tmpfs -o size=10m tmpfs "$small" 2>/dev/null; then
  skipped failing-disk 'no right to mount'
  exit
fi
truncate --size 48M "$small/image"
# Without a journal, so that the file system goes on where its disk does not.
mkfs.ext4 -q -F -b 4096 -m 0 -O ^has_journal "$small/image"
if ! device=$(losetup --find --show "$small/image" 2>/dev/null) ||
  ! mount -o errors=continue "$device" "$disk"; then
  skipped failing-disk 'no loop device to be had, or none that can be mounted'
  exit
fi

# Lines FIRST to LAST, of 100 bytes.
lines() {
  seq --format="line %07.0f $(printf 'x%.0s' {1..86})" "$1" "$2"
}

send_lines() {
  lines "$1" "$2" | "$logcaster" send --addr "$logs"
}

stat() {
  local answer
  answer=$(ask STATS)
  answer=${answer#*"$1="}
  echo "${answer%%,*}"
}

# Usage: expect NAME WHAT-WAS-SEEN PATTERN
expect() {
  # shellcheck disable=SC2053 # it is a pattern
  if [[ $2 == $3 ]]; then ok "failing-disk: $1"; else failed "failing-disk: $1" "expected $3, seen $2"; fi
}

said() {
  grep --quiet "$1" "$server_log"
}

# What SYNC is answered, an error too.
sync_answer() {
  "$logcaster" query --addr "$questions" SYNC 2>&1 || true
}

health() {
  "$logcaster" stats --addr "$questions" | head --lines=1
}

# Whether every line from FIRST to LAST is served. Usage: all_there NAME FIRST LAST
all_there() {
  local missing
  missing=$(comm -23 <(lines "$2" "$3") \
    <("$logcaster" query --addr "$questions" 'QUERY format=raw' 2>"$work/query.log" | sort) |
    wc --lines)
  expect "$1" "$missing" 0
}

# The image has room for about half of the segment's 16 MiB.
start_server -P -d "$disk/logs" -s 16 --sync interval:100
if await 20 said prewrite_failed; then
  ok 'failing-disk: a pre-write that fails is told'
else
  failed 'failing-disk: a pre-write that fails is told' "$(tail --lines=3 "$server_log")"
fi
send_lines 1 20000
expect 'the ring takes lines as far as it is written' "$(stat Total)" 20000
all_there 'and serves them' 1 20000
# The kernel tells of a page that it could not write, not which: it may be a record's.
expect 'but calls nothing durable' "$(sync_answer)" '*not durable*'
expect 'health says so' "$(health)" '*DOWN*'
code=0
stop "$server" || code=$?
expect 'a stop then ends with 1' "$code" 1
rm --recursive "$disk/logs"
mount -o remount,size=64m "$small"

start_server -P -d "$disk/logs" -s 16 --sync interval:100
written() {
  (($(stat PrewriteBytes) > 16000000))
}
if ! await 20 written; then failed 'failing-disk' "pre-written: $(stat PrewriteBytes)"; fi
send_lines 1 20000

# From its block 32 on, at 8 MiB, every block of the file becomes a bad one: a hole in the image, and
# no room to fill it. What lies in the page cache does not know.
expect 'a disk that works is durable' "$(sync_answer)" 'OK: durable through *'
sync
while read -r start length; do
  fallocate --punch-hole --offset $((start * 4096)) --length $((length * 4096)) "$small/image"
done < <(filefrag -e "$disk/logs/segment" |
  sed --quiet 's/^ *[0-9]*: *\([0-9]*\)\.\. *\([0-9]*\): *\([0-9]*\)\.\. *\([0-9]*\):.*/\1 \2 \3/p' |
  while read -r first last place; do
    if ((last < 2048)); then continue; fi
    skip=$((first < 2048 ? 2048 - first : 0))
    echo "$((place + skip)) $((last - first + 1 - skip))"
  done)
head --bytes=80M /dev/zero >"$small/filler" 2>/dev/null || true

# 20,000 lines more lie within the good blocks, these do not.
send_lines 20001 90000
if await 20 said sync_failed; then
  ok 'failing-disk: a sync that fails is told'
else
  failed 'failing-disk: a sync that fails is told' "$(tail --lines=3 "$server_log")"
fi
expect 'every line is taken in all the same' "$(stat Total)" 90000
expect 'the newest is served' "$(ask 'RECENT 1')" '*line 0090000 *'
expect 'nothing is called durable any more' "$(sync_answer)" '*not durable*'
expect 'and it is not ready' "$("$logcaster" ping --ready --addr "$questions" 2>&1 || true)" \
  '*a sync failed*'
failed_at=$(stat Durable)

rm "$small/filler"
expect 'not even when the disk is well again' "$(sync_answer)" '*not durable*'
expect 'and Durable stays' "$(stat Durable)" "$failed_at"
code=0
stop "$server" || code=$?
expect 'a stop then ends with 1' "$code" 1
expect 'and says why' "$(tail --lines=1 "$server_log")" '*a sync had failed*'

# The kernel has taken the pages that it could not write for written. What the next server finds in
# the page cache and calls durable must be on the disk all the same: it is read from there in the end.
start_server -P -d "$disk/logs" -s 16
expect 'after a restart it is durable again' "$(sync_answer)" 'OK: durable through *'
stop "$server" || failed 'failing-disk: the end of the restarted server' "$?"
server=
umount "$disk"
# The unmount dropped the file's pages; this drops the device's own.
blockdev --flushbufs "$device"
mount "$device" "$disk"
code=0
verified=$("$logcaster" verify "$disk/logs" 2>"$work/verify.log") || code=$?
# Without a line for each that is damaged.
verified=${verified%%$'\n'skipped *}
expect 'and every promised record is on the disk' "$code $verified" '0 *damaged: 0'
start_server -P -d "$disk/logs" -s 16
all_there 'and is served' 1 90000
stop_server
server=
