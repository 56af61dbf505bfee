#!/usr/bin/env bash
# The first process of a machine of our own, in namespaces that were just made: lays a throw-away
# layer over a root, enters it and becomes systemd. Called by start_machine of support.sh.
# Usage: tests/deploy/machine.sh ROOT WORK-FOLDER
set -euo pipefail

lower=$1
work=$2
root=$work/machine
mount --make-rprivate /
# Overlays of overlays are refused: the layer is memory.
mount --types tmpfs tmpfs "$work/layers"
mkdir "$work/layers/upper" "$work/layers/work"
mount --types overlay --options \
  "lowerdir=$lower,upperdir=$work/layers/upper,workdir=$work/layers/work" overlay "$root"
mkdir --parents "$root$work/shared" "$root/oldroot"
mount --bind "$work/shared" "$root$work/shared"
cd "$root"
mount --types proc proc proc
mount --types sysfs sysfs sys
# The control groups of the namespace, in the layout that this machine has.
if [[ $(stat --file-system --format=%T /sys/fs/cgroup) == cgroup2fs ]]; then
  mount --types cgroup2 cgroup2 sys/fs/cgroup
else
  mount --types tmpfs tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount --types cgroup --options none,name=systemd cgroup sys/fs/cgroup/systemd
  mount --types cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mount --types tmpfs tmpfs run
mount --types tmpfs tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
# PrivateDevices= makes a copy of these.
mount --types devpts --options newinstance,ptmxmode=0666 devpts dev/pts
ln --symbolic pts/ptmx dev/ptmx
# A pivot, for in a chroot no user namespaces can be made, which the unit asks for.
pivot_root . oldroot
umount --lazy /oldroot
exec env --ignore-environment container=logcaster-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init
