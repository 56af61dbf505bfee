# shellcheck shell=bash
# What the tests of what operators deploy share: all that tests/e2e/support.sh has, the static
# binary, and a Docker daemon of our own. Each test sources this first; it is no script.
# shellcheck source-path=SCRIPTDIR source=../e2e/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/support.sh"

# The static binary, of `make static`.
static=${DEPLOY_BINARY:-$target/$(rustc -vV | sed --quiet 's/^host: //p')/release/logcaster}
if [[ ! -x $static ]]; then
  failed "$test_name" "expected the static binary $static: make static"
  exit 1
fi
# shellcheck disable=SC2034 # those that source this use it
logcaster=$static
# Control groups of what is started here stand below one of our own, which goes at the end.
group=logcaster-test-$$

# Called by `finish`: what would stay behind of a daemon or a machine that was started here.
clean_up() {
  local place
  # The namespace of containers on the host's network stays mounted behind a daemon.
  while read -r place; do umount --lazy "$place" 2>/dev/null; done < <(
    awk -v work="$work/" 'index($5, work) == 1 { print $5 }' /proc/self/mountinfo | tac)
  remove_groups "$group"
}

# Starts a daemon of our own without a network and makes `docker` mean it, for what is called as
# well. Says in `missing` why it cannot. Usage: start_docker
# shellcheck disable=SC2034 # those that source this use it
start_docker() {
  missing=
  if [[ $(id --user) != 0 ]]; then
    missing='a daemon needs root'
    return 1
  fi
  provide docker.io dockerd || return 1
  PATH=$(dirname "$(command -v dockerd)")/../bin:$PATH
  export PATH DOCKER_HOST=unix://$work/docker.sock
  # Nothing of what this machine's own Docker is told.
  export DOCKER_CONFIG=$work/docker-config
  "${unpacked[@]}" dockerd --iptables=false --ip6tables=false --bridge=none \
    --storage-driver=vfs --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$group" \
    --data-root "$work/docker" --exec-root "$work/docker-exec" \
    --pidfile "$work/docker.pid" --host "$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
  dockerd=$!
  started+=("$dockerd")
  if ! await 60 docker version >/dev/null 2>&1; then
    missing="no daemon here: $(tail --lines=1 "$work/dockerd.log")"
    return 1
  fi
  # A daemon may run where no container does. The binary itself has run before.
  mkdir "$work/probe"
  cp "$static" "$work/probe/logcaster"
  if ! tar --create --directory "$work/probe" logcaster | docker import - probe \
    >"$work/probe.said" 2>&1; then
    missing="no image can be unpacked here: $(tail --lines=1 "$work/probe.said")"
    return 1
  fi
  if ! docker run --rm --network host probe /logcaster --version >"$work/probe.said" 2>&1; then
    missing="no container can be run here: $(head --lines=1 "$work/probe.said")"
    return 1
  fi
  docker image rm probe >"$work/probe.said"
}

# Ends that daemon.
stop_docker() {
  stop "$dockerd" || true
}

# Says `ok NAME` where both are the same, else what was seen. Usage: same NAME SEEN WANTED
same() {
  if [[ $2 == "$3" ]]; then
    ok "$1"
  else
    failed "$1" "expected $(printf %q "$3"), seen $(printf %q "$2")"
  fi
}

# Says `ok NAME` where a command succeeds. Usage: holds_that NAME COMMAND [ARGUMENT...]
holds_that() {
  local name=$1
  shift
  if "$@" >"$work/that.log" 2>&1; then
    ok "$name"
  else
    failed "$name" "expected success of $*, seen: $(tail --lines=3 "$work/that.log")"
  fi
}

# Starts a Debian of our own with systemd as its first process, in namespaces: what is installed
# there is gone afterwards. Its root is made once, below target/e2e. `inside` then runs a command in
# it, and `shared` is a folder that has the same name on both sides. Says in `missing` why it
# cannot. Usage: start_machine
# shellcheck disable=SC2034 # those that source this use it
start_machine() {
  local root=$work/machine
  missing=
  if [[ $(id --user) != 0 ]]; then
    missing='a machine of our own needs root'
    return 1
  fi
  make_machine || return 1
  shared=$work/shared
  mkdir "$root" "$work/layers" "$shared"
  (
    for dir in /sys/fs/cgroup{,/systemd,/unified}; do
      if [[ -w $dir/cgroup.procs ]]; then
        mkdir --parents "$dir/$group"
        echo "$BASHPID" >"$dir/$group/cgroup.procs"
      fi
    done
    exec unshare --mount --pid --fork --kill-child --ipc --uts --net --cgroup \
      bash "$top/tests/deploy/machine.sh" "$tools/machine" "$work"
  ) >"$work/machine.log" 2>&1 &
  machine=$!
  started+=("$machine")
  await 60 is_up_or_gone || true
  if ! is_up; then
    missing="systemd does not come up here: $(tail --lines=1 "$work/machine.log")"
    return 1
  fi
}

# Its first process: the child of `unshare`.
init_of_machine() {
  pgrep --parent "$machine" | head --lines=1
}

is_up_or_gone() {
  is_gone "$machine" || is_up
}

is_up() {
  [[ $(inside systemctl is-system-running 2>/dev/null) =~ running|degraded ]]
}

# Usage: inside COMMAND [ARGUMENT...]
inside() {
  nsenter --target "$(init_of_machine)" --mount --pid --ipc --uts --net --cgroup \
    env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
}

stop_machine() {
  kill -KILL "$(init_of_machine)" 2>/dev/null || true
  stop "$machine" 2>/dev/null || true
}

# What the machine is made of: Debian 12.
# shellcheck disable=SC2034
make_machine() {
  local place=$tools/machine
  local packages=systemd,systemd-sysv,dbus,init-system-helpers,procps,python3,openssh-server
  if [[ -e $place.done ]]; then return; fi
  if gave_up Debian; then return 1; fi
  if ! provide debootstrap debootstrap; then return 1; fi
  rm --recursive --force "$place"
  if [[ -d $tools/debootstrap ]]; then
    export DEBOOTSTRAP_DIR=$tools/debootstrap/usr/share/debootstrap
  fi
  # What a server has, and what Ansible wants of it: Python and ssh.
  if ! timeout 600 debootstrap --variant=minbase --include="$packages" bookworm "$place" \
    http://deb.debian.org/debian >"$work/debootstrap.log" 2>&1; then
    missing="no Debian to be had: $(tail --lines=1 "$work/debootstrap.log")"
    give_up Debian
    return 1
  fi
  touch "$place.done"
}
