#!/usr/bin/env bash
# Runs a command with BENCH_SLOW_DIR naming a directory on a disk that takes 20 MB/s: an image
# file on a loop device, limited by the kernel's block throttling. `make bench` runs the harness
# under it, so that the case `slow-disk` can be measured. Needs root, losetup and a blkio (cgroup
# 1) or io (cgroup 2) controller; without them the command runs with no slow disk, and the case
# says so. Cleans up behind itself. Usage: bench/slow-disk.sh COMMAND [ARGUMENT...]
set -euo pipefail

bytes_per_second=20971520
image_bytes=2G
work=
device=
throttle=
group=

# Lifts the limit first: an unmount has to write what is left.
finish() {
  local code=$?
  if [[ -n $throttle ]]; then echo "$number 0" >"$throttle" || true; fi
  if [[ -n $group ]]; then echo "$number wbps=max" >"$group/io.max" || true; fi
  if [[ -n $work ]] && mountpoint --quiet "$work/disk"; then umount "$work/disk" || true; fi
  if [[ -n $device ]]; then losetup --detach "$device" || true; fi
  if [[ -n $group ]]; then
    echo $$ >/sys/fs/cgroup/cgroup.procs || true
    rmdir "$group" || true
  fi
  if [[ -n $work ]]; then rm --recursive --force "$work"; fi
  exit "$code"
}

# Runs the command where no slow disk can be made. Usage: without REASON COMMAND [ARGUMENT...]
without() {
  echo "slow-disk: none: $1" >&2
  shift
  "$@"
  exit
}

if (($# == 0)); then
  echo 'usage: bench/slow-disk.sh COMMAND [ARGUMENT...]' >&2
  exit 2
fi
if ((EUID != 0)); then without 'needs root' "$@"; fi
for tool in losetup mkfs.ext4 mountpoint; do
  if ! command -v "$tool" >/dev/null; then without "$tool is not installed" "$@"; fi
done
version_1=/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device
if [[ ! -w $version_1 ]] && ! grep --quiet --word-regexp io /sys/fs/cgroup/cgroup.controllers \
  2>/dev/null; then
  without 'no blkio or io controller' "$@"
fi

trap finish EXIT
work=$(mktemp --directory)
mkdir "$work/disk"
truncate --size "$image_bytes" "$work/image"
mkfs.ext4 -q "$work/image"
device=$(losetup --find --show "$work/image")
number=$(cat "/sys/block/${device##*/}/dev")
mount "$device" "$work/disk"

if [[ -w $version_1 ]]; then
  # Writeback is charged to the root group, so that is where the limit has to be.
  echo "$number $bytes_per_second" >"$version_1"
  throttle=$version_1
else
  # The root group has no limits; writeback is charged to the group of who made the page dirty.
  echo +io >/sys/fs/cgroup/cgroup.subtree_control
  group=/sys/fs/cgroup/logcaster-slow-disk
  mkdir "$group"
  echo "$number wbps=$bytes_per_second" >"$group/io.max"
  echo $$ >"$group/cgroup.procs"
fi

BENCH_SLOW_DIR=$work/disk "$@"
